"""Connections from the network, held within bounds: how many, how long, how large a head.

uvicorn parses and answers; it waits for a head, a body or a reader as long as they please, and
reads heads of any size. Nothing here costs a request more than a look at the clock: one task looks
at all connections every few seconds.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kotta_service.problems import problem

HEAD_SECONDS = 20.0
"""A request's line and headers are here by then, counted from the connection or its first byte."""
BODY_SECONDS, BODY_BYTES = 60.0, 1024
"""A body brings so much in so long, or ends."""
UNREAD_SECONDS = 300.0
"""Who takes no byte of an answer for so long does not want it."""
MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 128
MOST_CONNECTIONS = 4096
SPARE_DESCRIPTORS = 256
"""For the database, files, runners, and the service's own socket."""
RETRY_SECONDS = 5
ROUND_SECONDS = 2.0
LINGER_SECONDS = 1.0
"""For so long what still comes is thrown away, after a refusal."""


def most_connections() -> int:
    """How many there may be, so that descriptors are left for what they ask for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, soft - SPARE_DESCRIPTORS))


async def watch(connections: Iterable[Any]) -> None:
    """Ends connections that keep the service waiting, as long as this task lives."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(ROUND_SECONDS)
        now = loop.time()
        for connection in list(connections):
            if isinstance(connection, Bounded):
                connection.look(now)


class Bounded(HttpToolsProtocol):
    """One connection; its bounds are in the constants above, or of a subclass."""

    most = MOST_CONNECTIONS
    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    unread_seconds = UNREAD_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        now = self.loop.time()
        self._head_since: float | None = now
        self._head_bytes = 0
        self._is_head_too_large = False
        self._is_body_coming = False
        self._is_refused = False
        self._received = 0
        self._body_mark = (now, 0)
        self._unsent_mark = (now, 0)
        if len(self.connections) > self.most:
            self._refuse(503, "unavailable", "too many connections are open", RETRY_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        # what is left of a body that was answered before its end is no head
        is_over = self.cycle is None or self.cycle.response_complete
        if self._head_since is None and is_over and not self._is_body_coming:
            self._head_since = self.loop.time()
        self._received += len(data)
        super().data_received(data)
        if self._head_since is not None and not self._is_refused:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()

    def on_message_complete(self) -> None:
        self._is_body_coming = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._head_since = None
        self._head_bytes = 0
        self._is_body_coming = True
        self._body_mark = (self.loop.time(), self._received)
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._is_head_too_large = True
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered in the same form as everything else."""
        if self._is_head_too_large:
            self._refuse_head()
        else:
            self._refuse(400, "bad_request", "that is no HTTP request that can be read")

    def pause_writing(self) -> None:
        # counted anew: an answer before this one may have been as long
        self._unsent_mark = (self.loop.time(), -1)
        super().pause_writing()

    def look(self, now: float) -> None:
        """Ends the connection if it has kept the service waiting for too long."""
        if self._is_refused or self.transport.is_closing():
            return
        if self._head_since is not None:
            if now - self._head_since > self.head_seconds:
                self._refuse(408, "timeout", "the request's head did not come in time")
        elif self.flow.write_paused:
            self._look_at_reader(now)
        elif self.cycle is not None and self._is_body_coming:
            self._look_at_body(now)

    def _look_at_body(self, now: float) -> None:
        at, received = self._body_mark
        if self.flow.read_paused:  # it is the service that does not read
            self._body_mark = (now, self._received)
        elif now - at > self.body_seconds:
            if self._received - received < BODY_BYTES:
                self._refuse(408, "timeout", "the request's body did not come in time")
            self._body_mark = (now, self._received)

    def _look_at_reader(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        at, size = self._unsent_mark
        if unsent != size:
            self._unsent_mark = (now, unsent)
        elif now - at > self.unread_seconds:
            self.transport.abort()

    def _refuse_head(self) -> None:
        words = f"a request's line and headers may hold {MAX_HEAD_BYTES >> 10} KiB at most"
        self._refuse(431, "too_large", words)

    def _refuse(self, status: int, code: str, detail: str, retry_after: int | None = None) -> None:
        """Answers, if nothing has been answered yet, and closes the connection."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        headers = {"Connection": "close"}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        answer = problem(status, code, detail, headers=headers)
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        self.transport.write(head + lines + b"\r\n" + bytes(answer.body))
        self._is_refused = True
        if status == HTTPStatus.SERVICE_UNAVAILABLE or not self.transport.can_write_eof():
            self.transport.close()
            return
        # closed at once, while bytes still come, it would be reset, and the answer not be read
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
