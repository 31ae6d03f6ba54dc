"""Removes Python environments that were made for `requirements` and that nobody uses any more.

::

    environments/1f0c…            made by kotta_runner/environment.py; its `complete` was touched
                                  when it was used last, and is not there if it was broken off
    environments/1f0c….lock       held by who makes it, and for a moment by who begins to use it
    environments/1f0c….txt        the requirements
    environments/NAME/1f0c…       the same of an account, which may have put anything there

Locks are not to be trusted where several machines share a folder: so what a job that has not ended
may use, by its requirements, stays in any case.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kotta_service.attempt_files import opened_folder, read
from kotta_service.storage.files import remove_path

_PLACES = ("environments", "slurm/environments", "parsl/environments")
_ENVIRONMENT = re.compile(r"[0-9a-f]{24}")
_COMPLETE = "complete"
_LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True)
class Unused:
    """Which environments may go.

    Attributes:
        before: those that were used last before this moment; None: those alone that were broken
            off, which go in any case.
        wanted: the requirements of jobs that have not ended: theirs stay.
    """

    before: float | None
    wanted: frozenset[str]

    def remove(self, data: Path, *, dry_run: bool) -> int:
        """Removes them from a data directory, or tells what would be: how many."""
        return sum(self._remove_from(path, dry_run) for path in _folders(data))

    def _remove_from(self, path: Path, dry_run: bool) -> int:
        count = 0
        with opened_folder(path) as folder:
            if folder is None:
                return 0
            for name in filter(_ENVIRONMENT.fullmatch, os.listdir(folder)):
                with _locked(folder, name) as is_ours_alone:
                    if is_ours_alone and self._may_go(folder, name):
                        count += 1
                        if not dry_run:
                            _remove(path / name, folder)
        return count

    def _may_go(self, folder: int, name: str) -> bool:
        text = read(folder, f"{name}.txt") or b""
        if text.decode("utf-8", "replace").removesuffix("\n") in self.wanted:
            return False
        used_at = _used_at(folder, name)
        return used_at is None or (self.before is not None and used_at < self.before)


def _folders(data: Path) -> Iterator[Path]:
    """Each folder of environments: the service's own, and those of accounts within."""
    for place in _PLACES:
        with contextlib.suppress(OSError):
            root = (data / place).resolve()
            names = os.listdir(root)
            yield root
            yield from (root / name for name in names if not _ENVIRONMENT.match(name))


def _used_at(folder: int, name: str) -> float | None:
    """When an environment was used last; None: it was broken off."""
    with opened_folder(name, folder) as environment, contextlib.suppress(OSError):
        if environment is not None:
            return os.stat(_COMPLETE, dir_fd=environment, follow_symlinks=False).st_mtime
    return None


@contextlib.contextmanager
def _locked(folder: int, name: str) -> Iterator[bool]:
    """Whether nobody makes an environment, or begins to use it; then nobody does meanwhile."""
    try:
        lock = os.open(f"{name}.lock", _LOCK, dir_fd=folder)
    except OSError:
        yield False
        return
    try:
        yield _is_had_alone(lock, folder)
    finally:
        os.close(lock)


def _is_had_alone(lock: int, folder: int) -> bool:
    about = os.fstat(lock)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.fstat(folder).st_uid:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(path: Path, folder: int) -> None:
    with opened_folder(path.name, folder) as environment, contextlib.suppress(OSError):
        if environment is not None:
            # first, so that nobody ever takes half of one for whole
            os.unlink(_COMPLETE, dir_fd=environment)
    remove_path(path)
    with contextlib.suppress(OSError):
        # its lock stays, as somebody may wait for that very one
        os.unlink(f"{path.name}.txt", dir_fd=folder)
