"""Reads files of this machine: whole, once, and only regular ones."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from kotta.errors import TransferError

Progress = Callable[[str, int, int], None]
"""Told a file's name, how many of its bytes are done, and how many it has."""
Mark = tuple[int, int, int]
"""What changes with a file: which one it is, its size and when it was written."""
CHUNK_BYTES = 1 << 20


def mark_of(file: Path) -> Mark:
    """A file's mark; its bytes are not read for it."""
    try:
        about = os.stat(file)
    except OSError as error:
        raise TransferError(f"{file} cannot be read: {error.strerror}") from error
    return about.st_ino, about.st_size, about.st_mtime_ns


def hashed(file: Path) -> tuple[str, int]:
    """SHA-256 in hex of a file, and its size, bytes."""
    with opened(file) as content:
        digest, size = digest_of(content)
    return digest.hexdigest(), size


def digest_of(file: BinaryIO) -> tuple[hashlib._Hash, int]:
    """The digest of an open file from its beginning, and its size, bytes."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return digest, size


@contextlib.contextmanager
def opened(file: Path, *, buffering: int = -1) -> Iterator[BinaryIO]:
    """The file for reading, if it is a regular one; what goes wrong is a TransferError.

    Args:
        buffering: as `open` takes it.
    """
    # without O_NONBLOCK, opening a pipe waits for somebody to write into it
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(file, flags), "rb", buffering) as content:
            if not stat.S_ISREG(os.fstat(content.fileno()).st_mode):
                raise TransferError(f"{file} is no regular file")
            yield content
    except OSError as error:
        raise TransferError(f"{file} cannot be read: {error.strerror}") from error
