"""Secrets in files: made once, whole, readable by this user alone, whoever asks first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from kotta_service.syncing import sync_directory


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """What a file holds; made by `make` if it is not there, and on disk before anybody has it.

    Of several processes that find none, one makes it, and the others read that.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path.read_bytes()
        content = make()
        _write(path, content)
        return content
    finally:
        os.close(lock)


def _write(path: Path, content: bytes) -> None:
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    aside.rename(path)
    sync_directory(path.parent)
