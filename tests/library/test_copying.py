"""Small files of this machine, copied by reading them whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kotta.copying import copy_small
from kotta.downloads import Item
from kotta.errors import TransferError
from kotta.models import Output

CONTENT = bytes(range(256)) * 400


def item_of(folder: Path) -> Item:
    digest = hashlib.sha256(CONTENT).hexdigest()
    output = Output(name="a", available=True, size_bytes=len(CONTENT), sha256=digest)
    return Item("j", output, folder / "a", "a")


def test_a_copy_replaces_what_is_there_and_leaves_nothing_beside(home: Path) -> None:
    source, folder = home / "source", home / "here"
    source.write_bytes(CONTENT)
    folder.mkdir()
    item = item_of(folder)
    item.target.write_bytes(b"before")
    # what a fetch that was killed has left, longer than the file
    mark = (item.output.sha256 or "")[:8]
    (folder / f".a.{mark}.part").write_bytes(CONTENT * 2)
    copy_small(source, item)
    assert item.target.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [item.target]


@pytest.mark.parametrize(
    "kept",
    [b"", CONTENT[:-1], CONTENT + b"a", CONTENT[:-1] + b"a"],
    ids=["empty", "shorter", "longer", "different"],
)
def test_what_is_not_what_was_promised_gets_no_name(home: Path, kept: bytes) -> None:
    source, folder = home / "source", home / "here"
    source.write_bytes(kept)
    folder.mkdir()
    with pytest.raises(TransferError, match="did not arrive as the service keeps it"):
        copy_small(source, item_of(folder))
    assert list(folder.iterdir()) == []
