"""Brings an output from this machine's own disk, by the platform's copy call.

On file systems that can, the copy shares its blocks with the original until one of them changes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

from kotta.contents import Progress, opened
from kotta.downloads import Item, complete, damaged
from kotta.errors import TransferError
from kotta.part_file import Part, Segment, aside, locked
from kotta.workers import Stop

COPY_BYTES = 16 << 20
CHUNK_BYTES = 1 << 20
_NOT_HERE = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY)
"""What the copy call says where these two files cannot be copied by it."""


def copy(source: Path, item: Item, progress: Progress, stop: Stop) -> None:
    """Copies a file; it gets its name once what was written has the right hash.

    Raises:
        TransferError: the copy is not what was promised; it was thrown away.
    """

    def receive(part: Part, stop: Stop) -> None:
        with opened(source) as file:
            for segment in part.segments:
                while not segment.is_whole:
                    stop.check()
                    _copy_next(file, part, segment, item)
                    progress(item.label, part.have_bytes, item.size_bytes)

    complete(item, stop, receive)


def copy_small(source: Path, item: Item) -> None:
    """The same for a file that fits into memory."""
    # unbuffered: each call to the system that is left out is one less to get the interpreter back
    # after, which the other threads want as well
    with opened(source, buffering=0) as file:
        content = file.read(item.size_bytes + 1)
        while len(content) < item.size_bytes and (more := file.read(item.size_bytes)):
            content += more
    keep_small(item, content)


def keep_small(item: Item, content: bytes) -> None:
    """Writes a file of these bytes, if they are the right ones.

    Raises:
        TransferError: they are not; nothing was written.
    """
    import hashlib

    if hashlib.sha256(content).hexdigest() != item.output.sha256:
        raise damaged(item.output.name)
    path = aside(item.target, item.output)
    descriptor = locked(path)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.ftruncate(descriptor, len(content))
        os.replace(path, item.target)
    finally:
        os.close(descriptor)


def _copy_next(source: BinaryIO, part: Part, segment: Segment, item: Item) -> None:
    place = segment.begin + segment.have
    wanted = min(COPY_BYTES, segment.end - place)
    count = _copied_by_platform(source, part, place, wanted)
    if count:
        part.advance(segment, count)
        return
    source.seek(place)
    chunk = source.read(min(CHUNK_BYTES, wanted))
    if not chunk:
        raise TransferError(f"{item.output.name}: the service's copy is shorter than it said")
    part.write(segment, chunk)


def _copied_by_platform(source: BinaryIO, part: Part, place: int, wanted: int) -> int:
    """How many bytes the copy call has copied; 0 where it does not work."""
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(source.fileno(), part.fileno(), wanted, place, place)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return 0
        raise
