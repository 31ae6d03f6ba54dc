"""Has names reach the disk: what is in a file counts for nothing while its name may vanish."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CHUNK_BYTES = 1 << 20
_DIGITS = "0123456789abcdef"


def sync_directory(path: Path) -> None:
    """Waits until the names in a folder are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_shards(root: Path) -> None:
    """Makes all folders of two hex digits in a folder, on disk with all their names.

    So whoever puts something there has to sync none above it.
    """
    shards = {f"{first}{second}" for first in _DIGITS for second in _DIGITS}
    for shard in shards - set(os.listdir(root)):
        (root / shard).mkdir(mode=0o700, exist_ok=True)
    for folder in (root, root.parent):
        sync_directory(folder)


def sync_hashed(descriptor: int) -> tuple[str, int]:
    """Waits until an open file is on disk, and hashes it meanwhile: its SHA-256 in hex and size."""
    digest, size = hashlib.sha256(), 0
    room = memoryview(bytearray(_CHUNK_BYTES))
    with ThreadPoolExecutor(1, thread_name_prefix="sync") as beside:
        synced = beside.submit(os.fsync, descriptor)
        # not mapped: who cuts it off meanwhile would end this process
        while count := os.preadv(descriptor, [room], size):
            digest.update(room[:count])
            size += count
        synced.result()
    return digest.hexdigest(), size
