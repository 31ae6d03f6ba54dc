"""Writes what comes over the network to a file, beside the loop that it comes through."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from kotta.errors import RequestError

if TYPE_CHECKING:
    from hashlib import _Hash

PIECE_BYTES = 2 << 20
"""So much is hashed and written by one turn of a thread, while the next piece comes."""


async def received(
    file: BinaryIO, chunks: AsyncIterator[bytes], limit_bytes: int
) -> tuple[str, int]:
    """Writes bytes as they come, synced at the end; their SHA-256 and their number.

    Neither a slow disk nor the hashing keeps others waiting.

    Raises:
        RequestError: they are more than `limit_bytes` (`too_large`).
    """
    digest, size, piece_bytes = hashlib.sha256(), 0, 0
    piece: list[bytes] = []
    at_work: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit_bytes:
                raise RequestError(
                    f"an upload may hold {limit_bytes} bytes at most", code="too_large"
                )
            piece.append(chunk)
            piece_bytes += len(chunk)
            if piece_bytes >= PIECE_BYTES:
                if at_work is not None:
                    await at_work
                at_work = asyncio.ensure_future(asyncio.to_thread(_take, file, digest, piece))
                piece, piece_bytes = [], 0
        if at_work is not None:
            await at_work
        at_work = asyncio.ensure_future(asyncio.to_thread(_finish, file, digest, piece))
        await at_work
    finally:
        if at_work is not None:
            # the file is closed next, and must not be while somebody writes to it
            await asyncio.gather(at_work, return_exceptions=True)
    return digest.hexdigest(), size


def _take(file: BinaryIO, digest: _Hash, piece: Sequence[bytes]) -> None:
    for chunk in piece:
        digest.update(chunk)
        file.write(chunk)


def _finish(file: BinaryIO, digest: _Hash, piece: Sequence[bytes]) -> None:
    _take(file, digest, piece)
    file.flush()
    os.fsync(file.fileno())
