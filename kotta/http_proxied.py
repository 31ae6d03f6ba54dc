"""The way to a service through a proxy, by httpx, which knows their kinds and their settings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kotta._httpx import httpx
from kotta.http_wire import NotInTimeError, Reply, Request, UnsendableError, WireError


class ProxiedPool:
    """Connections through the proxy that the environment names."""

    def __init__(self, address: str, keep: int) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=keep)
        try:
            self._client = httpx.Client(base_url=address, limits=limits)
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from error

    def send(self, request: Request) -> Reply:
        timeout = httpx.Timeout(request.answer_seconds, connect=request.connect_seconds)
        try:
            built = self._client.build_request(
                request.method,
                request.target,
                content=request.body,
                headers=request.headers,
                timeout=timeout,
            )
        except UnicodeEncodeError as error:
            raise UnsendableError("a header") from error
        try:
            with _translated():
                until = None if request.is_streamed else time.monotonic() + request.whole_seconds
                return _ProxiedReply(self._client.send(built, stream=True), until)
        except RuntimeError as error:
            # what httpx says where another thread closed it in between
            if not self._client.is_closed:
                raise
            raise WireError("the connection was closed meanwhile") from error

    def close(self) -> None:
        self._client.close()


class _ProxiedReply:
    def __init__(self, response: httpx.Response, until: float | None) -> None:
        self._until = until
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        with _translated():
            for chunk in self._response.iter_raw():
                if self._until is not None and time.monotonic() > self._until:
                    raise NotInTimeError("its answer does not end")
                yield chunk

    def close(self) -> None:
        self._response.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise NotInTimeError(str(error)) from error
    except (httpx.TransportError, httpx.StreamError, httpx.InvalidURL) as error:
        raise WireError(str(error) or type(error).__name__) from error
