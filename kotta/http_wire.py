"""One HTTP/1.1 connection: sends a request, reads its answer, and is kept for the next.

Of HTTP it knows what a client of one service needs. Written out, because each command pays for it:
importing httpx and what it stands on takes a quarter of the time of a listing, and it looks at a
download's bytes 64 KiB at a time in Python, which costs as much as hashing them. Where connections
come from says `kotta.http_pool`; what is asked and what answers mean, others.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

CHUNK_BYTES = 256 << 10
"""What is read at once: as much as the processor keeps at hand."""
MAX_HEAD_BYTES = 64 << 10
MAX_TRAILERS = 100
WHOLE_SECONDS = 300.0
_NAME_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX_BYTES = b"0123456789abcdefABCDEF"


class WireError(Exception):
    """No answer, or a part of one, or something that is none."""


class NotInTimeError(WireError):
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


class Reply(Protocol):
    """An answer, of which only the head has been read; it must be closed.

    Attributes:
        headers: by their names in small letters.
    """

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes: not gathered, as a cut would lose what was.

        Raises:
            WireError: it was cut.
        """

    def close(self) -> None:
        """Gives the connection back, or ends it if there is something left to read."""


class Wire:
    """A connection that is open; for one request at a time.

    Args:
        host: whom the request is for, as it is sent.
    """

    def __init__(self, sock: socket.socket, host: str) -> None:
        self._sock = sock
        self._host = host
        self._come = bytearray()
        self._patience = 0.0
        self._until: float | None = None

    def ask(self, request: Request, done: Callable[[Wire, bool], None]) -> Reply:
        """Sends a request, and reads the head of its answer.

        Args:
            done: is told when the answer is closed, and whether another request may be sent.

        Raises:
            WireError: no answer came.
            UnsendableError: the request is nothing that can be sent.
        """
        head = _head_of(request, self._host)
        self._patience = request.answer_seconds
        self._until = None
        self._sock.settimeout(self._patience)
        refusal: OSError | None = None
        try:
            self._send(head, request.body)
        except TimeoutError as error:
            raise NotInTimeError("it takes no more") from error
        except OSError as error:
            # who has read enough to refuse may have answered before it hung up
            refusal = error
        self._until = time.monotonic() + request.whole_seconds
        try:
            reply = _WireReply(self, *self._head(), done)
            if request.is_streamed:
                self._until = None
                self._sock.settimeout(self._patience)
            return reply
        except WireError as error:
            raise (WireError(_words(refusal)) if refusal else error) from error

    def is_quiet(self) -> bool:
        """Whether it is open still and nothing came that nobody asked for."""
        if self._come:
            return False
        if not hasattr(select, "poll"):
            return not select.select([self._sock], [], [], 0)[0]
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._sock.close()

    def receive(self, limit: int = CHUNK_BYTES) -> bytes:
        """What has come, so many bytes at most; b"" at the end."""
        if self._come:
            piece = bytes(self._come[:limit])
            del self._come[:limit]
            return piece
        if self._until is not None:
            left = self._until - time.monotonic()
            if left <= 0:
                raise NotInTimeError("its answer does not end")
            self._sock.settimeout(min(self._patience, left))
        try:
            return self._sock.recv(limit)
        except TimeoutError as error:
            raise NotInTimeError("nothing more came") from error
        except OSError as error:
            raise WireError(_words(error)) from error

    def line(self, end: bytes = b"\r\n") -> bytes:
        """The bytes before the next `end`, which is read as well."""
        looked_at = 0
        while (place := self._come.find(end, max(0, looked_at - len(end)))) < 0:
            looked_at = len(self._come)
            if looked_at > MAX_HEAD_BYTES:
                raise WireError("its answer has a head without an end")
            kept, self._come = self._come, bytearray()
            piece = self.receive()
            if not piece:
                raise WireError("the connection was cut" if kept else "it hung up")
            self._come = kept + piece
        line = bytes(self._come[:place])
        del self._come[: place + len(end)]
        return line

    def _send(self, head: bytes, body: bytes | Iterable[bytes] | None) -> None:
        if isinstance(body, bytes) and len(body) < CHUNK_BYTES:
            self._sock.sendall(head + body)
            return
        self._sock.sendall(head)
        pieces = [body] if isinstance(body, bytes) else body or ()
        for piece in pieces:
            view = memoryview(piece)
            # a time limit is one for each call: a slow line must not fail for a large piece
            for start in range(0, len(view), CHUNK_BYTES):
                self._sock.sendall(view[start : start + CHUNK_BYTES])

    def _head(self) -> tuple[int, dict[str, str], bool]:
        """Status, headers, and whether the other side keeps the connection open."""
        while True:
            first, *lines = self.line(b"\r\n\r\n").split(b"\r\n")
            version, _, rest = first.partition(b" ")
            code = rest[:3]
            if version not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or rest[3:4].strip():
                raise WireError("it does not speak HTTP")
            if self._until is not None and time.monotonic() > self._until:
                raise NotInTimeError("its answer does not begin")
            if code[:1] != b"1":
                headers = _headers(lines)
                closes = version == b"HTTP/1.0" or "close" in headers.get("connection", "").lower()
                return int(code), headers, not closes


class _WireReply:
    def __init__(
        self,
        wire: Wire,
        status: int,
        headers: Mapping[str, str],
        keeps: bool,
        done: Callable[[Wire, bool], None],
    ) -> None:
        self.status = status
        self.headers = headers
        self._wire = wire
        self._keeps = keeps
        self._done: Callable[[Wire, bool], None] | None = done
        self._is_read = False

    def chunks(self) -> Iterator[bytes]:
        coding = self.headers.get("transfer-encoding", "").lower()
        length = self.headers.get("content-length")
        if self.status in (204, 304):
            pass
        elif coding == "chunked":
            yield from self._chunked()
        elif coding:
            raise WireError(f"its answer is encoded as `{coding}`")
        elif length is None:
            self._keeps = False
            while piece := self._wire.receive():
                yield piece
        elif length.isascii() and length.isdigit():
            yield from self._counted(int(length))
        else:
            raise WireError("its answer has no length that could be read")
        self._is_read = True

    def close(self) -> None:
        if self._done is not None:
            done, self._done = self._done, None
            done(self._wire, self._is_read and self._keeps)

    def _counted(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._wire.receive(min(left, CHUNK_BYTES))
            if not piece:
                raise WireError(f"the connection was cut, {left} bytes before the end")
            left -= len(piece)
            yield piece

    def _chunked(self) -> Iterator[bytes]:
        while True:
            digits = self._wire.line().partition(b";")[0].strip()
            if not 0 < len(digits) < 16 or digits.translate(None, _HEX_BYTES):
                raise WireError("its answer has a piece without a length")
            size = int(digits, 16)
            if not size:
                break
            yield from self._counted(size)
            if self._wire.line():
                raise WireError("its answer has a piece that is longer than it said")
        # what may follow the last piece says nothing to us
        for _ in range(MAX_TRAILERS):
            if not self._wire.line():
                return
        raise WireError("its answer has an end without an end")


def _head_of(request: Request, host: str) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if isinstance(request.body, bytes):
        lines.append(f"Content-Length: {len(request.body)}")
    elif request.body is None and request.method != "GET":
        lines.append("Content-Length: 0")
    for line in lines:
        # a line break would begin a header, or another request
        if not (line.isascii() and line.isprintable()):
            raise UnsendableError(line.partition(":")[0])
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _headers(lines: Iterable[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _NAME_BYTES):
            raise WireError("its answer has a header that is none")
        key, text = name.decode("ascii").lower(), value.decode("latin-1").strip(" \t")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _words(error: OSError) -> str:
    # those of TLS have their words elsewhere
    return str(error.strerror or error) if error.errno else str(error)
