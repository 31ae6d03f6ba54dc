"""Connections to one address by httpx, kept for the next request; for several threads.

A Unix socket, or TCP with or without TLS, perhaps through a proxy that the environment names. What
httpx does not bound is bounded here: how long an answer may take as a whole. What is asked and what
answers mean, others say.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from os import environ
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore

from kotta import addresses
from kotta._httpx import httpx

KEEP_CONNECTIONS = 20
KEEP_SECONDS = 5.0
"""Who stands in between may forget a connection that rests for longer."""
WHOLE_SECONDS = 300.0
CHUNK_BYTES = 256 << 10
"""What is read at once: httpcore alone would ask for a quarter of it, and each piece costs."""


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
        headers: by their names, whatever their capitals.
    """

    def __init__(self, response: httpx.Response, until: float | None) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._until = until

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes: not gathered, as a cut would lose what was.

        Raises:
            NoAnswerError: it was cut.
        """
        pieces = self._response.iter_raw()
        while True:
            with _translated(), _until(self._until):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        """Gives the connection back, or ends it if there is something left to read."""
        self._response.close()


class Pool:
    """The way to one address: `unix:` and a path, or a URL.

    Raises:
        ValueError: it is neither.
    """

    def __init__(self, address: str) -> None:
        try:
            self._client = _client(address)
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from error
        except ImportError as error:
            raise ValueError("its proxy is one of SOCKS: pip install 'httpx[socks]'") from error

    def send(self, request: Request) -> Reply:
        """The answer to a request.

        Raises:
            NoAnswerError: none came.
            UnsendableError: the request is nothing that can be sent.
        """
        built = self._built(request)
        clock = _Clock(request.whole_seconds)
        try:
            with _translated(), _measured_by(clock):
                response = self._client.send(built, stream=True)
        except RuntimeError as error:
            # what httpx says where another thread closed it in between
            if not self._client.is_closed:
                raise
            raise NoAnswerError("the connection was closed meanwhile") from error
        return Reply(response, None if request.is_streamed else clock.until)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def _built(self, request: Request) -> httpx.Request:
        for name, value in request.headers.items():
            # a line break would begin a header, or another request
            if not (value.isascii() and value.isprintable()):
                raise UnsendableError(name)
        timeout = httpx.Timeout(request.answer_seconds, connect=request.connect_seconds)
        try:
            return self._client.build_request(
                request.method,
                request.target,
                content=request.body,
                headers=dict(request.headers),
                timeout=timeout,
            )
        except (UnicodeError, httpx.InvalidURL) as error:
            raise UnsendableError("the address") from error


def _client(address: str) -> httpx.Client:
    # what httpx sends by itself would say more of us than needs to be known, and no service of ours
    # has anything to remember by a cookie
    forgets = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    options: dict[str, Any] = {"headers": {}, "cookies": forgets, "follow_redirects": False}
    if address.startswith("unix:"):
        transport = _Transport(uds=address.removeprefix("unix:"))
        return httpx.Client(
            base_url="http://kotta", transport=transport, trust_env=False, **options
        )
    parts = urlsplit(address)
    # what a proxy were asked for this machine itself would leave it, token and all
    if not addresses.is_here(address) and _is_behind_a_proxy(parts.scheme, parts.netloc):
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEEP_CONNECTIONS)
        return httpx.Client(base_url=address, limits=limits, **options)
    trust = httpx.create_ssl_context() if parts.scheme == "https" else None
    return httpx.Client(
        base_url=address, transport=_Transport(trust=trust), trust_env=False, **options
    )


class _Transport(httpx.HTTPTransport):
    """httpx's own, over connections that know what time it is."""

    def __init__(self, *, uds: str | None = None, trust: ssl.SSLContext | None = None) -> None:
        # its own `__init__` would load certificates that do not count, into a pool that goes away
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust,
            uds=uds,
            max_connections=None,
            max_keepalive_connections=KEEP_CONNECTIONS,
            keepalive_expiry=KEEP_SECONDS,
            network_backend=_Backend(),
        )


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
    """Makes httpx's errors ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise NotInTimeError(str(error) or "nothing came") from error
    except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
        raise NoAnswerError(str(error) or type(error).__name__) from error


def _is_behind_a_proxy(scheme: str, netloc: str) -> bool:
    is_set = any(name.lower().endswith("_proxy") for name in environ)
    # elsewhere the system itself may name one
    if sys.platform == "linux" and not is_set:
        return False
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(netloc)
