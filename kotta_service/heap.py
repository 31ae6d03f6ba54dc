"""The memory of the C library, where that is glibc: one heap, whose holes are given back."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes

EVERY_SECONDS = 60.0
_M_ARENA_MAX = -8  # Source: mallopt(3), malloc.h


def use_one() -> None:
    """Has every thread to come take memory from one heap.

    Else each has its own, with holes that no other can use: a service under load for four minutes
    held 24 MiB of them, and ever more. What is small is Python's own business, and locked anyway.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


async def give_back_regularly() -> None:
    """Gives the system what lies free between what is in use, for as long as the service lives.

    Large answers and pieces of files leave holes that what is small and stays soon divides.
    """
    with contextlib.suppress(AttributeError, OSError):
        trim = ctypes.CDLL(None).malloc_trim  # Source: malloc_trim(3)
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await asyncio.to_thread(trim, 0)
