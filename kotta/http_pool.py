"""Connections to one address, kept for the next request; for several threads.

A Unix socket, or TCP with or without TLS. What has to go through a proxy goes by
`kotta.http_proxied`.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from kotta import addresses
from kotta.http_wire import NotInTimeError, Reply, Request, Wire, WireError

if TYPE_CHECKING:
    import ssl

KEEP_CONNECTIONS = 20
KEEP_SECONDS = 5.0
"""Who stands in between may forget a connection that rests for longer."""


class Pool(Protocol):
    """The way to one address."""

    def send(self, request: Request) -> Reply:
        """The answer to a request.

        Raises:
            WireError: none came.
            UnsendableError: the request is nothing that can be sent.
        """

    def close(self) -> None:
        """Ends the connections that rest, and the others as soon as they do."""


def pool(address: str) -> Pool:
    """The way to an address: `unix:` and a path, or a URL.

    Raises:
        ValueError: it is neither.
    """
    if address.startswith("unix:"):
        return DirectPool(_UnixOpener(address.removeprefix("unix:")), "kotta", "")
    parts = urlsplit(address)
    is_tls = parts.scheme == "https"
    opener = _TcpOpener(parts.hostname or "", parts.port or (443 if is_tls else 80), is_tls)
    # what a proxy were asked for this machine itself would leave it, token and all
    if not addresses.is_here(address) and _is_behind_a_proxy(parts.scheme, parts.netloc):
        from kotta.http_proxied import ProxiedPool

        return ProxiedPool(address, KEEP_CONNECTIONS)
    return DirectPool(opener, parts.netloc, parts.path.rstrip("/"))


class Opener(Protocol):
    def __call__(self, seconds: float) -> socket.socket:
        """A connection that was made in time."""


class DirectPool:
    """Connections that lead straight there.

    Args:
        host: whom requests are for, as it is sent.
        below: what stands before the path of each request.
    """

    def __init__(self, opener: Opener, host: str, below: str) -> None:
        self._open = opener
        self._host = host
        self._below = below
        self._lock = threading.Lock()
        self._resting: list[tuple[float, Wire]] = []
        self._is_closed = False

    def send(self, request: Request) -> Reply:
        if self._is_closed:
            raise WireError("the connection was closed meanwhile")
        if self._below:
            request = request._replace(target=self._below + request.target)
        wire = self._rested() or self._opened(request.connect_seconds)
        try:
            return wire.ask(request, self._done)
        except BaseException:
            wire.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            resting, self._resting = self._resting, []
        for _, wire in resting:
            wire.close()

    def _rested(self) -> Wire | None:
        """The connection that was used last, if it is good still."""
        while True:
            with self._lock:
                if not self._resting:
                    return None
                since, wire = self._resting.pop()
            if time.monotonic() - since < KEEP_SECONDS and wire.is_quiet():
                return wire
            wire.close()

    def _opened(self, seconds: float) -> Wire:
        try:
            return Wire(self._open(seconds), self._host)
        except TimeoutError as error:
            raise NotInTimeError("it cannot be reached") from error
        except (OSError, UnicodeError) as error:
            raise WireError(getattr(error, "strerror", None) or str(error)) from error

    def _done(self, wire: Wire, is_good: bool) -> None:
        with self._lock:
            if is_good and not self._is_closed and len(self._resting) < KEEP_CONNECTIONS:
                self._resting.append((time.monotonic(), wire))
                return
        wire.close()


class _UnixOpener:
    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, seconds: float) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(seconds)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        return sock


class _TcpOpener:
    def __init__(self, host: str, port: int, is_tls: bool) -> None:
        self._to = host, port
        self._trust = _trust() if is_tls else None

    def __call__(self, seconds: float) -> socket.socket:
        sock = socket.create_connection(self._to, seconds)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._trust is not None:
                return self._trust.wrap_socket(sock, server_hostname=self._to[0])
        except BaseException:
            sock.close()
            raise
        return sock


def _trust() -> ssl.SSLContext:
    """Whom TLS trusts: what the environment names, else the authorities that browsers trust."""
    import ssl

    if file := os.environ.get("SSL_CERT_FILE"):
        context = ssl.create_default_context(cafile=file)
    elif folder := os.environ.get("SSL_CERT_DIR"):
        context = ssl.create_default_context(capath=folder)
    else:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_behind_a_proxy(scheme: str, netloc: str) -> bool:
    is_set = any(name.lower().endswith("_proxy") for name in os.environ)
    # elsewhere the system itself may name one
    if sys.platform == "linux" and not is_set:
        return False
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(netloc)
