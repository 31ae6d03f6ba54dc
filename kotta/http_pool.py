"""Connections to one address by httpcore, kept for the next request; for several threads.

A Unix socket, or TCP with or without TLS, perhaps through a proxy that the environment names. What
httpcore does not bound is bounded here: how long an answer may take as a whole. What is asked and
what answers mean, others say.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from os import environ
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

# httpx stands on it, and would take as long again to import for what nobody needs here: redirects,
# cookies, encodings
import httpcore

from kotta import addresses

if TYPE_CHECKING:
    import ssl

KEEP_CONNECTIONS = 20
KEEP_SECONDS = 5.0
"""Who stands in between may forget a connection that rests for longer."""
WHOLE_SECONDS = 300.0
CHUNK_BYTES = 256 << 10
"""What is read at once: httpcore alone would ask for a quarter of it, and each piece costs."""
_WITH_BODY = ("POST", "PUT")
"""Whose length is told even where there is none: some in between insist."""


class NoAnswerError(Exception):
    """No answer, or a part of one, or something that is none."""


class NotInTimeError(NoAnswerError):
    """Nothing came for as long as was waited."""


class UnsendableError(Exception):
    """The request is nothing that can be sent."""


class Request(NamedTuple):
    """What is asked.

    Attributes:
        target: path and query, as they are sent.
        body: in pieces only if the headers tell its length.
        connect_seconds: how long a new connection may take.
        answer_seconds: how long nothing may come.
        whole_seconds: how long the answer may take from its first byte to its last: who sends a
            byte now and then would be listened to for ever.
        is_streamed: this holds for the answer's head alone.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | Iterable[bytes] | None
    connect_seconds: float
    answer_seconds: float
    whole_seconds: float = WHOLE_SECONDS
    is_streamed: bool = False


class Reply:
    """An answer, of which only the head has been read; it must be closed.

    Attributes:
        status: of HTTP.
        headers: by their names in small letters.
    """

    def __init__(
        self, response: httpcore.Response, close: Callable[[], None], until: float | None
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = _headers(response.headers)
        self._response = response
        self._close = close
        self._is_closed = False
        self._until = until

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes: not gathered, as a cut would lose what was.

        Raises:
            NoAnswerError: it was cut.
        """
        pieces = self._response.iter_stream()
        while True:
            if self._is_closed:
                raise NoAnswerError("it was left before its end")
            with _translated(), _until(self._until):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        """Gives the connection back, or ends it if there is something left to read."""
        self._is_closed = True
        self._close()


class Pool:
    """The way to one address: `unix:` and a path, or a URL.

    Raises:
        ValueError: it is neither.
    """

    def __init__(self, address: str) -> None:
        self._is_closed = False
        self._to: tuple[bytes, bytes, int | None]
        if address.startswith("unix:"):
            self._to, self._host, self._below = (b"http", b"kotta", None), "kotta", ""
            self._pool = _pool(uds=address.removeprefix("unix:"))
            return
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is no URL")
        self._to = (parts.scheme.encode(), parts.hostname.encode("ascii"), parts.port)
        self._host, self._below = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._pool = _pool(ssl_context=_trust(parts.scheme), proxy=_proxy(address))

    def send(self, request: Request) -> Reply:
        """The answer to a request.

        Raises:
            NoAnswerError: none came.
            UnsendableError: the request is nothing that can be sent.
        """
        _check(request)
        if self._is_closed:
            raise NoAnswerError("the connection was closed meanwhile")
        clock, opened = _Clock(request.whole_seconds), ExitStack()
        with _translated(), _measured_by(clock):
            response = opened.enter_context(self._stream(request))
        return Reply(response, opened.close, None if request.is_streamed else clock.until)

    def close(self) -> None:
        """Ends the connections."""
        self._is_closed = True
        self._pool.close()

    def _stream(self, request: Request) -> AbstractContextManager[httpcore.Response]:
        body = request.body
        if body is None and request.method in _WITH_BODY:
            body = b""
        headers = {"Host": self._host, "Accept": "*/*", **request.headers}
        waits = dict.fromkeys(("read", "write", "pool"), request.answer_seconds)
        target = f"{self._below}{request.target}".encode()
        return self._pool.stream(
            request.method,
            httpcore.URL(scheme=self._to[0], host=self._to[1], port=self._to[2], target=target),
            headers=list(headers.items()),
            content=body if body is None or isinstance(body, bytes) else iter(body),
            extensions={"timeout": {**waits, "connect": request.connect_seconds}},
        )


def _check(request: Request) -> None:
    """Raises UnsendableError where a line break would begin a header, or another request."""
    for name, value in {"the address": request.target, **request.headers}.items():
        if not (value.isascii() and value.isprintable()):
            raise UnsendableError(name)


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
        # Source: RFC 9110, 5.3: several of one name are the same as their values in a row
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _pool(**options: Any) -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        max_connections=None,
        max_keepalive_connections=KEEP_CONNECTIONS,
        keepalive_expiry=KEEP_SECONDS,
        network_backend=_Backend(),
        **options,
    )


def _trust(scheme: str) -> ssl.SSLContext | None:
    """Whose certificates count; None: none is asked for any."""
    if scheme != "https":
        return None
    from kotta._httpx import httpx

    return httpx.create_ssl_context()


class _Clock:
    """When an answer has to be there: so long after the first of it came.

    Attributes:
        until: on the monotonic clock; None while nothing has come.
    """

    def __init__(self, seconds: float = 0, until: float | None = None) -> None:
        self._seconds = seconds
        self.until = until

    def begin(self) -> None:
        if self.until is None:
            self.until = time.monotonic() + self._seconds


class _Now(threading.local):
    clock: _Clock | None = None


_NOW = _Now()


@contextmanager
def _measured_by(clock: _Clock | None) -> Iterator[None]:
    """Has what this thread reads in the block count against a clock."""
    _NOW.clock = clock
    try:
        yield
    finally:
        _NOW.clock = None


@contextmanager
def _until(moment: float | None) -> Iterator[None]:
    with _measured_by(None if moment is None else _Clock(until=moment)):
        yield


class _Backend(httpcore.SyncBackend):
    """Makes connections whose reads end in time."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        # httpcore 1.0 does not close the one that it could not connect, which a program that has
        # warnings on is told of at every restart of the service; so one of ours tries first
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(timeout)
            try:
                probe.connect(path)
            except TimeoutError as error:
                raise httpcore.ConnectTimeout(str(error)) from error
            except OSError as error:
                raise httpcore.ConnectError(str(error)) from error
        return _Stream(super().connect_unix_socket(path, timeout, socket_options))


class _Stream(httpcore.NetworkStream):
    """A connection that reads in large pieces, and no longer than its thread's clock says."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        clock = _NOW.clock
        if clock is not None and clock.until is not None:
            left = clock.until - time.monotonic()
            if left <= 0:
                raise httpcore.ReadTimeout("its answer does not end")
            timeout = left if timeout is None else min(timeout, left)
        piece = self._stream.read(max(max_bytes, CHUNK_BYTES), timeout)
        if clock is not None:
            clock.begin()
        return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@contextmanager
def _translated() -> Iterator[None]:
    """Makes httpcore's errors ours."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise NotInTimeError(str(error) or "nothing came") from error
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise NoAnswerError(str(error) or type(error).__name__) from error


def _proxy(address: str) -> httpcore.Proxy | None:
    """What the environment says is to be asked in place of a server, if it does.

    Raises:
        ValueError: what it says is no proxy.
    """
    # what a proxy were asked for this machine itself would leave it, token and all
    if addresses.is_here(address):
        return None
    is_set = any(name.lower().endswith("_proxy") for name in environ)
    # elsewhere the system itself may name one
    if sys.platform == "linux" and not is_set:
        return None
    from importlib.util import find_spec
    from urllib.request import getproxies, proxy_bypass

    parts, proxies = urlsplit(address), getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or proxy_bypass(parts.netloc):
        return None
    url = urlsplit(named if "://" in named else f"http://{named}")
    is_socks = url.scheme in ("socks5", "socks5h")
    if not url.hostname or not (is_socks or url.scheme in ("http", "https")):
        raise ValueError("the proxy that the environment names is none")
    if is_socks and find_spec("socksio") is None:
        raise ValueError("its proxy is one of SOCKS: pip install socksio")
    auth = None
    if url.username:
        auth = (unquote(url.username).encode(), unquote(url.password or "").encode())
    return httpcore.Proxy(f"{url.scheme}://{url.netloc.rpartition('@')[2]}", auth=auth)
