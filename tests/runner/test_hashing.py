"""Hashing what is kept, while it reaches the disk."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kotta_runner.stage_out import MUCH_BYTES, hashed

SIZES = [0, 1, MUCH_BYTES - 1, MUCH_BYTES + 1]


@pytest.fixture(params=SIZES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(request.param))
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_what_is_hashed_is_synced_once(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    content = os.pread(file, 2 * MUCH_BYTES, 0)
    assert hashed(file, None, None) == (hashlib.sha256(content).hexdigest(), len(content))
    assert synced == ([file] if content else [])


def test_what_cannot_be_synced_is_not_kept(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    if os.fstat(file).st_size:
        with pytest.raises(OSError, match="Input/output error"):
            hashed(file, None, None)
    else:
        hashed(file, None, None)
