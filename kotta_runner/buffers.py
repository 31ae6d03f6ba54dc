"""Pickles with their large buffers beside them rather than copied into them: docs/functions.md."""

from __future__ import annotations

import os
import pickle
import struct
from typing import List

MIN_BYTES = 64 << 10
"""A smaller buffer is not worth a place of its own."""
ALIGNMENT = 64
"""Bytes; what computes on arrays is fastest where they begin so."""


class Outside:
    """Takes the large buffers of a pickle as it is made; a `buffer_callback`.

    Attributes:
        views: what it has taken, in order.
    """

    def __init__(self) -> None:
        self.views: List[memoryview] = []

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        """Whether the pickle itself is to hold it."""
        try:
            view = buffer.raw()
        except BufferError:
            return True  # it does not lie in one piece
        if view.nbytes < MIN_BYTES:
            return True
        self.views.append(view)
        return False


def write(descriptor: int, head: bytes, views: "List[memoryview]") -> None:
    """Writes both, the buffers as they lie in memory."""
    sizes = [len(head), *(view.nbytes for view in views)]
    start = struct.pack("<%dQ" % (1 + len(sizes)), len(sizes), *sizes)
    write_all(descriptor, start)
    place = len(start)
    for size, part in zip(sizes, [memoryview(head), *views]):
        padding = -place % ALIGNMENT
        write_all(descriptor, bytes(padding))
        write_all(descriptor, part)
        place += padding + size


def write_all(descriptor: int, data: "bytes | memoryview") -> None:
    """Writes all of it."""
    while data:
        data = data[os.write(descriptor, data) :]
