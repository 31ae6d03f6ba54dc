"""Files as answers: whole, one range of them, or many small ones after each other."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Generator, Sequence
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from kotta_service.storage import Kept

CHUNK_BYTES = 512 << 10
"""What is not in memory costs a turn of a thread each: 64 KiB would keep a client waiting."""
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})-(\d{0,19})\s*\Z", re.IGNORECASE)


class FileAnswer(Response):
    """A file that never changes, or the one range of it that was asked for.

    What is no single range of bytes is ignored, as RFC 9110 (14.2) has it: all of the file is sent.

    Raises:
        HTTPException: 416, the range lies behind the file's end.
    """

    media_type = "application/octet-stream"

    def __init__(self, path: Path, etag: str, asked: Headers) -> None:
        self._path = path
        size = path.stat().st_size
        found = _asked_range(asked, etag, size)
        self._begin, self._end = found or (0, size)
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            "Content-Length": str(self._end - self._begin),
            "X-Content-Type-Options": "nosniff",
        }
        if found is not None:
            headers["Content-Range"] = f"bytes {self._begin}-{self._end - 1}/{size}"
        self.status_code = 200 if found is None else 206
        self.background = None
        self.body = b""
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            await self._send_bytes(descriptor, send, gone)
        finally:
            gone.cancel()
            os.close(descriptor)

    async def _send_bytes(self, descriptor: int, send: Send, gone: asyncio.Future[None]) -> None:
        place = self._begin
        while place < self._end and not gone.done():
            wanted = min(CHUNK_BYTES, self._end - place)
            chunk: bytes | bytearray | None = _at_hand(descriptor, wanted, place)
            if chunk is None:
                chunk = await asyncio.to_thread(os.pread, descriptor, wanted, place)
            else:
                # a client that takes all at once must not keep the others waiting
                await asyncio.sleep(0)
            if not chunk:
                raise RuntimeError("a file of the service became shorter")
            place += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _at_hand(descriptor: int, wanted: int, place: int) -> bytearray | None:
    """Bytes that are in memory already, for which a thread is not worth its turn; else None."""
    if not hasattr(os, "RWF_NOWAIT"):
        return None
    chunk = bytearray(wanted)
    try:
        count = os.preadv(descriptor, [chunk], place, os.RWF_NOWAIT)
    except OSError:
        return None  # they are not, or the file system cannot tell
    del chunk[count:]
    return chunk


def at_its_place(kept: Kept, etag: str, asked: Headers, download_as: str | None = None) -> Response:
    """A kept file, or where whoever asks finds it: what is in S3 comes from there.

    Args:
        download_as: the name under which browsers shall keep it, rather than show it.
    """
    if kept.path is None:
        # nobody's cache may give it on: it is as good as a key, and for a while only
        headers = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(kept.url(download_as), 307, headers)
    answer = FileAnswer(kept.path, etag, asked)
    if download_as is not None:
        # Source: RFC 6266, 4.1, and RFC 8187, 3.2
        named = f"attachment; filename*=UTF-8''{quote(download_as, safe='')}"
        answer.headers["Content-Disposition"] = named
    return answer


async def closed_at_last(chunks: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """The same chunks; what gives them is closed also when whoever asked has gone.

    Left to the collector of garbage, it would hold what it holds for long: folders, locks.
    """
    try:
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk
    finally:
        # what waits for it may be cancelled, and it goes on
        await asyncio.shield(asyncio.to_thread(chunks.close))


def one_after_another(files: Sequence[tuple[Kept, int]]) -> StreamingResponse:
    """The bytes of these files, each as long as is said, with nothing between them."""
    total = sum(size for _, size in files)
    return StreamingResponse(
        closed_at_last(_joined(files)),
        media_type="application/octet-stream",
        headers={"Content-Length": str(total), "X-Content-Type-Options": "nosniff"},
    )


def _joined(files: Sequence[tuple[Kept, int]]) -> Generator[bytes, None, None]:
    gathered = bytearray()
    for kept, size in files:
        for piece in kept.pieces(size):
            gathered += piece
            if len(gathered) >= CHUNK_BYTES:
                yield bytes(gathered)
                gathered.clear()
    if gathered:
        yield bytes(gathered)


def _asked_range(asked: Headers, etag: str, size: int) -> tuple[int, int] | None:
    """Where to begin and end, None for all of it."""
    found = _RANGE.match(asked.get("range", ""))
    # a date can be no validator here: only the ETag says which bytes these are
    if found is None or asked.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if first:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return None
    elif last:
        begin, end = max(size - int(last), 0), size
    else:
        return None
    if begin >= size or begin >= end:
        words = f"the file has {size} bytes, and none in the range that was asked for"
        raise HTTPException(416, words, {"Content-Range": f"bytes */{size}"})
    return begin, end


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
