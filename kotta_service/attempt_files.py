"""Reads what lies in the directory of an attempt, which may be that of an account that means harm.

Such an account can put anything there, at any time: links to what it may not read, other names of
others' files, FIFOs that nobody writes to. So what is read is what was opened: a plain file that
belongs to whom the directory belongs to, and no more of it than has a meaning.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kotta_service.storage.files import OpenFile

MAX_BYTES = 16 << 20
"""Of a file that a runner writes: an exit record may hold a result."""
_IS_NONE = (
    errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENODEV, errno.ENAMETOOLONG,
)  # fmt: skip
"""What opening says where there is nothing, or something else; all other errors may pass."""
PLAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@contextlib.contextmanager
def opened_folder(
    path: Path | str, inside: int | None = None, *, for_good: bool = False
) -> Iterator[int | None]:
    """A directory itself, never what a link in its place leads to; None if there is none.

    Args:
        inside: the open directory that `path` is looked up in, and whose owner's it has to be.
        for_good: nobody looks again: an error that may pass is raised.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        folder = os.open(path, flags, dir_fd=inside)
    except OSError as error:
        if for_good and error.errno not in _IS_NONE:
            raise
        yield None
        return
    try:
        is_its = inside is None or os.fstat(inside).st_uid == os.fstat(folder).st_uid
        yield folder if is_its else None
    finally:
        os.close(folder)


@contextlib.contextmanager
def opened_file(
    folder: int, name: str, *, or_ours: bool = False, for_good: bool = False
) -> Iterator[int | None]:
    """A plain file in an open directory; None if there is none, or it is not that directory's.

    Args:
        or_ours: it may be the service's own as well.
        for_good: nobody looks again: an error that may pass is raised.
    """
    try:
        file = os.open(name, PLAIN, dir_fd=folder)
    except (OSError, ValueError) as error:
        if for_good and isinstance(error, OSError) and error.errno not in _IS_NONE:
            raise
        yield None
        return
    try:
        about, holder = os.fstat(file), os.fstat(folder).st_uid
        ours = os.geteuid()
        # into a directory of ours nobody else puts anything
        owners = {about.st_uid} if holder == ours else {holder, ours if or_ours else holder}
        yield file if stat.S_ISREG(about.st_mode) and about.st_uid in owners else None
    finally:
        os.close(file)


def read(folder: int, name: str, most: int = MAX_BYTES, *, or_ours: bool = False) -> bytes | None:
    """The beginning of such a file; None if there is none."""
    with opened_file(folder, name, or_ours=or_ours) as file:
        if file is None:
            return None
        parts = []
        left = most
        with contextlib.suppress(OSError):
            while left > 0 and (part := os.read(file, min(left, 1 << 20))):
                parts.append(part)
                left -= len(part)
        return b"".join(parts)


def read_end(folder: int, name: str, most: int) -> bytes:
    """The end of such a file; nothing if there is none."""
    with opened_file(folder, name) as file:
        if file is None:
            return b""
        with contextlib.suppress(OSError):
            return os.pread(file, most, max(0, os.fstat(file).st_size - most))
        return b""


def parsed(content: bytes | None) -> dict[str, Any] | None:
    """The JSON object that this is; None if it is none."""
    try:
        value = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class AttemptFile:
    """A file in an attempt's directory, which need not exist yet.

    Attributes:
        folder: of that directory, the one that it lies in; "": itself.
    """

    directory: Path
    name: str
    folder: str = ""

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenFile | None]:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(opened_folder(self.directory))
            if folder is not None and self.folder:
                folder = stack.enter_context(opened_folder(self.folder, folder))
            file = None
            if folder is not None:
                file = stack.enter_context(opened_file(folder, self.name))
            yield None if file is None else OpenFile(file)
