"""A pickle with its large buffers beside it rather than copied into it: docs/functions.md.

The memory of an array is written as it lies, and read as it lies in the file. `load` and `opened`
travel by value within calls, as there is no kotta where they run: they use the standard library
alone, and import it themselves.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from typing import Any

MIN_BYTES = 64 << 10
"""A smaller buffer is not worth a place of its own."""
ALIGNMENT = 64
"""Bytes; what computes on arrays is fastest where they begin so."""


class Outside:
    """Takes the large buffers of a pickle as it is made; a `buffer_callback`.

    Args:
        limit: raises `TooLargeError` rather than take more bytes than that.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.views: list[memoryview] = []
        self.size_bytes = 0
        self._limit = limit

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        """Whether the pickle itself is to hold it."""
        try:
            view = buffer.raw()
        except BufferError:
            return True  # it does not lie in one piece
        if view.nbytes < MIN_BYTES:
            return True
        self.size_bytes += view.nbytes
        if self._limit is not None and self.size_bytes > self._limit:
            raise TooLargeError
        self.views.append(view)
        return False


class TooLargeError(Exception):
    """There are more bytes than were wanted."""


def framed(head: Sequence[bytes], views: Sequence[memoryview]) -> list[bytes | memoryview]:
    """The bytes of a pickle and its buffers, in order, none of them copied.

    Args:
        head: the pickle.
    """
    sizes = [sum(map(len, head)), *(view.nbytes for view in views)]
    chunks: list[bytes | memoryview] = [struct.pack(f"<{1 + len(sizes)}Q", len(sizes), *sizes)]
    place = len(chunks[0])
    parts: list[Sequence[bytes | memoryview]] = [head, *([view] for view in views)]
    for size, part in zip(sizes, parts, strict=True):
        padding = -place % ALIGNMENT
        chunks += [bytes(padding), *part]
        place += padding + size
    return [chunk for chunk in chunks if len(chunk)]


def load(path: str) -> Any:
    """The value in a file; its buffers are the file's own pages until they are changed."""
    import mmap

    with open(path, "rb") as file:
        return opened(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)))


def opened(view: memoryview, loads: Any = None) -> Any:
    """The value in such bytes, which it goes on to use.

    Args:
        loads: as `pickle.loads`, which it is if it is left out.
    """
    import pickle
    import struct

    (count,) = struct.unpack_from("<Q", view)
    place = 8 + 8 * count
    parts = []
    for size in struct.unpack_from(f"<{count}Q", view, 8):
        place += -place % 64
        parts.append(view[place : place + size])
        place += size
    return (loads or pickle.loads)(parts[0], buffers=parts[1:])
