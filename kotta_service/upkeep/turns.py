"""Who may be at what: any number may look at what is kept, one alone may remove from it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from kotta.errors import ConflictError


@contextlib.contextmanager
def reading(data: Path) -> Iterator[None]:
    """Nothing that is kept is removed meanwhile, by no process on this data directory.

    Raises:
        ConflictError: something is being removed now.
    """
    with _held(data, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def removing(data: Path) -> Iterator[None]:
    """Nobody checks or copies what is kept meanwhile.

    Raises:
        ConflictError: somebody does.
    """
    with _held(data, fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def _held(data: Path, how: int) -> Iterator[None]:
    descriptor = os.open(data / "upkeep.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConflictError(
            "the service is being checked, backed up or pruned",
            hint="repeat this once that is over",
        ) from None
    finally:
        os.close(descriptor)
