"""Has names reach the disk: what is in a file counts for nothing while its name may vanish."""

from __future__ import annotations

import os
from pathlib import Path

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
