"""A lock that programs of one user hold one after the other, and that ends with its holder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_SECONDS = 0.01


@contextmanager
def locked(path: Path, *, patience_seconds: float) -> Iterator[None]:
    """Waits for the lock on `path`, a file that is made if need be, and holds it for the block.

    Raises:
        OSError: the file cannot be made.
        TimeoutError: somebody else holds it for longer than that.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        deadline = time.monotonic() + patience_seconds
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another program holds {path}")
            time.sleep(LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
