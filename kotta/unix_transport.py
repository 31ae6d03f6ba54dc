"""How httpx talks through a Unix socket here; imported where there is one to talk through."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import httpcore

from kotta._httpx import httpx


class UnixTransport(httpx.HTTPTransport):
    """Requests through the socket at `path`; loads no certificates, as nothing leaves here."""

    def __init__(self, path: str, *, keep_connections: int) -> None:
        super().__init__(verify=False)
        self._pool = httpcore.ConnectionPool(
            uds=path,
            max_connections=None,
            max_keepalive_connections=keep_connections,
            keepalive_expiry=5.0,
            network_backend=_ClosingBackend(),
        )


class _ClosingBackend(httpcore.SyncBackend):
    """Leaves no socket open where nobody listens.

    httpcore 1.0 does not close the one that it could not connect, which a program that has
    warnings on is told of at every restart of the service. So one of ours tries first.
    """

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(timeout)
            try:
                probe.connect(path)
            except TimeoutError as error:
                raise httpcore.ConnectTimeout(str(error)) from error
            except OSError as error:
                raise httpcore.ConnectError(str(error)) from error
        return super().connect_unix_socket(path, timeout, socket_options)
