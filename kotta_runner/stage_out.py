"""Moves declared outputs out of the working directory to where they are kept, hashed and synced.

The folder itself is synced with the exit record, which is what makes its files count.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from typing import Any, Callable, Dict, List, Optional

from kotta_runner.attempt import Attempt
from kotta_runner.staging import StagingError

_CHUNK_BYTES = 1 << 20
MUCH_BYTES = 32 << 20
_NOT_THERE = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.ENAMETOOLONG)
_EMPTY_SHA256 = hashlib.sha256().hexdigest()


def stage_out(
    attempt: Attempt, launch: Dict[str, Any], when_slow: Callable[[], None]
) -> List[Dict[str, Any]]:
    """The manifest: every declared output in order, with size and SHA-256 where it was made.

    Args:
        when_slow: called once, if there is so much to keep that somebody may want to know.

    Raises:
        StagingError: one that was made could not be kept.
    """
    target = launch["stage_out"]["directory"]
    try:
        try:
            os.makedirs(target, mode=0o700)
        except FileExistsError:  # of a runner that was ended while it did this
            shutil.rmtree(target)
            os.mkdir(target, 0o700)
        work = _opened(attempt.work)
        try:
            if work is not None and _is_much(work, launch["outputs"]):
                when_slow()
            manifest = [_keep(attempt, launch, work, name, target) for name in launch["outputs"]]
        finally:
            if work is not None:
                os.close(work)
    except OSError as error:
        raise StagingError(
            "the outputs could not be kept: %s" % (error.strerror or error)
        ) from error
    return manifest


def _opened(work: str) -> Optional[int]:
    """The working directory; None if the command removed it, or put something else in its place."""
    try:
        return os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _is_much(work: int, names: List[str]) -> bool:
    total_bytes = 0
    for name in names:
        with contextlib.suppress(OSError):
            total_bytes += os.stat(name, dir_fd=work, follow_symlinks=False).st_size
    return total_bytes > MUCH_BYTES


def _keep(
    attempt: Attempt, launch: Dict[str, Any], work: Optional[int], name: str, target: str
) -> Dict[str, Any]:
    if "/" in name:
        return _missing(name)  # O_NOFOLLOW guards the last step of a path only
    if name == launch["stdout"]:
        return keep_file(attempt.path("stdout"), None, name, target)
    if name == launch["stderr"]:
        return keep_file(attempt.path("stderr"), None, name, target)
    if work is None:
        return _missing(name)
    return keep_file(name, work, name, target)


def _missing(name: str) -> Dict[str, Any]:
    return {"name": name, "available": False, "size_bytes": None, "sha256": None}


def keep_file(source: str, folder: Optional[int], name: str, target: str) -> Dict[str, Any]:
    """Moves a file to `target` under `name`, hashed and synced; its line in the manifest.

    Args:
        source: its path, looked up in the open directory `folder` if there is one.
    """
    missing = _missing(name)
    try:
        # neither following a link nor waiting for somebody at the other end of a FIFO
        file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return missing
        raise
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            return missing
        kept = os.path.join(target, name)
        # a file with other links is somebody else's too: neither its place nor its mode is ours
        if about.st_nlink == 1 and _moved(source, folder, kept):
            os.fchmod(file, 0o600)
            sha256, size = _hashed(file, None)
        else:
            with open(kept, "xb") as copy:
                sha256, size = _hashed(file, copy)
                copy.flush()
                os.fsync(copy.fileno())
    finally:
        os.close(file)
    return {"name": name, "available": True, "size_bytes": size, "sha256": sha256}


def _moved(source: str, folder: Optional[int], kept: str) -> bool:
    try:
        os.rename(source, kept, src_dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    return True


def _hashed(file: int, copy: Any) -> "tuple[str, int]":
    """SHA-256 and size of what is in `file`, which is copied on the way, or synced where it is."""
    digest, size = hashlib.sha256(), 0
    while chunk := os.read(file, _CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if copy is not None:
            copy.write(chunk)
    if size and copy is None:
        os.fsync(file)
    return (digest.hexdigest() if size else _EMPTY_SHA256), size
