"""Downloads one input over http or https. Apart from the rest, as it is slow to import."""

from __future__ import annotations

import encodings.idna  # noqa: F401 (which a name's look-up loads, maybe where it cannot be read)
import http.client
import io
import socket
import string
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Optional, cast

from kotta_runner.addresses import Policy, connect
from kotta_runner.staging import StagingError

SILENCE_SECONDS = 30
HEAD_SECONDS = 60
"""How long a server may take from the first byte of its answer to the body."""
MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_WORDS = 200
Receive = Callable[[Callable[[int], bytes], Optional[int]], None]


def download(url: str, receive: Receive, policy: Policy, deadline: float) -> None:
    """Hands `receive` a function that reads the answer's body, and its announced length in bytes.

    The body is taken as it is sent: nothing is asked to be compressed, and nothing is unpacked.

    Args:
        policy: where connections may go, after a redirect as before it.
        deadline: when all of it must be there, on the monotonic clock.

    Raises:
        StagingError: no answer, not a good one, or one that was cut short or took too long.
    """
    try:
        _follow(url, receive, policy, deadline)
    except StagingError as error:
        words = str(error)
        is_named = words.startswith("input ")
        raise StagingError(words if is_named else "input %s: %s" % (url, words)) from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise StagingError("input %s: %s" % (url, reason)) from error
    except http.client.IncompleteRead as error:
        raise StagingError("input %s: the download was cut short" % url) from error
    except (http.client.HTTPException, ValueError) as error:
        words = str(error)[:_MAX_WORDS] or type(error).__name__
        raise StagingError("input %s: %s" % (url, words)) from error


def _follow(url: str, receive: Receive, policy: Policy, deadline: float) -> None:
    clock = _Clock(deadline)
    opener = _opener(policy, clock)
    for _ in range(MAX_REDIRECTS + 1):
        # a request of its own each time: what one server was told, the next one is not
        request = urllib.request.Request(_checked(url), headers={"User-Agent": "kotta-runner"})
        clock.expect_head()
        with cast(Any, opener.open(request, timeout=SILENCE_SECONDS)) as answer:
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or location is None:
                if not 200 <= answer.status < 300:
                    words = str(answer.reason)[:_MAX_WORDS]
                    raise StagingError("HTTP %d %s" % (answer.status, words))
                clock.expect_body()
                length = answer.headers.get("Content-Length")
                receive(answer.read, int(length) if _is_number(length) else None)
                return
            status = answer.status
        # Source: RFC 9110, 10.2.2: it may be relative; and people do write it with blanks in it
        url = urllib.parse.urljoin(url, urllib.parse.quote(location, safe=string.punctuation))
    raise StagingError("HTTP %d, and more than %d redirects" % (status, MAX_REDIRECTS))


def _checked(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise StagingError("only http:// and https:// can be downloaded, not " + url[:_MAX_WORDS])
    if "@" in parts.netloc:
        raise StagingError("a user name in an address is not supported")
    if not parts.hostname:
        raise StagingError("%s has no host" % url[:_MAX_WORDS])
    return url


def _is_number(text: Optional[str]) -> bool:
    return text is not None and text.isascii() and text.isdigit() and len(text) < 20


class _Clock:
    """Says how long the server may stay silent: briefly, and never past what all of it may take."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._until = deadline

    def expect_head(self) -> None:
        self._until = min(self._deadline, time.monotonic() + HEAD_SECONDS)

    def expect_body(self) -> None:
        self._until = self._deadline

    def patience_seconds(self) -> float:
        """How long to wait for the next bytes.

        Raises:
            StagingError: no longer.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise StagingError("it took too long to download")
        return min(SILENCE_SECONDS, left)


def _opener(policy: Policy, clock: _Clock) -> urllib.request.OpenerDirector:
    """Opens http and https and nothing else, and leaves redirects and errors to us.

    urllib's own handler reads the whole body of a redirect into memory.
    """

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: Any) -> Any:
            return self.do_open(_bounded(http.client.HTTPConnection, policy, clock), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: Any) -> Any:
            return self.do_open(_bounded(http.client.HTTPSConnection, policy, clock), req)

    opener = urllib.request.OpenerDirector()
    # a proxy connects wherever it is asked to, so in a shared service none is used
    opener.add_handler(urllib.request.ProxyHandler(None if policy.is_open else {}))
    opener.add_handler(Http())
    opener.add_handler(Https())
    return opener


def _bounded(kind: Any, policy: Policy, clock: _Clock) -> Any:
    """A class of connections that go where they may, and end in time."""

    class Connection(kind):  # type: ignore[misc]
        sock: Any

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # what http.client connects with, while it goes on to send the right Host and SNI
            self._create_connection = self._connected

        def _connected(self, address: Any, *_: Any) -> socket.socket:
            return connect(policy, address[0], address[1], clock.patience_seconds())

        def connect(self) -> None:
            super().connect()
            self.sock = _TimedSocket(self.sock, clock)

    return Connection


class _TimedSocket:
    """A connected socket as http.client uses it, whose answer has to come in time."""

    def __init__(self, connection: socket.socket, clock: _Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._is_closed = False
        self._readers = 0

    def sendall(self, data: Any) -> None:
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """As with any socket, a file made of it can be read on."""
        self._is_closed = True
        self._leave()

    def receive_into(self, buffer: Any) -> int:
        self._connection.settimeout(self._clock.patience_seconds())
        try:
            return self._connection.recv_into(buffer)
        except socket.timeout as error:
            self._clock.patience_seconds()
            raise StagingError("the server was silent for %d s" % SILENCE_SECONDS) from error

    def reader_closed(self) -> None:
        self._readers -= 1
        self._leave()

    def _leave(self) -> None:
        if self._is_closed and not self._readers:
            self._connection.close()


class _TimedReader(io.RawIOBase):
    """Reads a socket by a clock; a time-out for each read would let single drops go on forever."""

    def __init__(self, connection: _TimedSocket) -> None:
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connection.reader_closed()
