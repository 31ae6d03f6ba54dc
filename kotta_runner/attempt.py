"""The attempt's directory: its lock, its marker, its records. Every file there is made here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time

from kotta_runner import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Tuple

LOCK_TRIES = 20
LOCK_PAUSE_SECONDS = 0.01


class Attempt:
    """One attempt, whose lock this process holds once `claim` has said so.

    Args:
        on_disk: the folder above its directory, if it is known to be there after a power cut.
    """

    def __init__(self, directory: str, on_disk: str = "") -> None:
        self.directory = directory
        self._on_disk = on_disk
        self.work = self.path("work")
        self._lock = -1

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def streams(self, launch: Dict[str, Any]) -> Tuple[str, str]:
        """The files that take standard output and standard error; one, if they have one name."""
        stdout = self.path("stdout")
        return stdout, stdout if launch["stdout"] == launch["stderr"] else self.path("stderr")

    def claim(self) -> bool:
        """Takes the lock and empties what an earlier runner left; False: this attempt is not ours.

        It is not if another runner is at work, if its command was started before, or if it is over:
        what was cancelled or failed before its start must not begin anew.
        """
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self._lock = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._locked() or self._is_over():
            self.release()
            return False
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, identity(os.getpid()).encode(), 0)
        self._emptied()
        return True

    def release(self) -> None:
        """Lets go of the lock; everything else has been said."""
        os.close(self._lock)

    def forget(self) -> None:
        """In a fork of the runner: lets the runner alone hold the lock."""
        os.close(self._lock)

    def ask_cancel(self) -> None:
        """Leaves word that this attempt is to be cancelled."""
        os.close(os.open(self.path("cancel"), os.O_CREAT | os.O_WRONLY, 0o600))

    def cancel_asked(self) -> bool:
        """Whether somebody has left such word."""
        return os.path.exists(self.path("cancel"))

    def mark_started(self) -> bool:
        """Makes the marker, on disk before it returns; False if it is there already."""
        try:
            descriptor = os.open(self.path("started"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        os.fsync(descriptor)
        os.close(descriptor)
        # the folders above it may be as new as it is, and without their names it is nowhere
        for folder in above(self.path("started"), 3, self._on_disk):
            sync_directory(folder)
        return True

    def write_phase(self, phase: str, timeline: Dict[str, float]) -> None:
        """Tells who looks at the directory where the attempt is; not synced, as it is no record."""
        self._write("phase.json", {"phase": phase, "timeline": timeline}, None)

    def write_record(self, record: Dict[str, Any], folders: Iterable[str]) -> None:
        """Leaves the exit record; it and these folders are on disk before it gets its name.

        The name itself is not waited for: if a power cut takes it back, the job counts as lost
        rather than as something it was not.
        """
        self._write("exit.json", record, folders)

    def give_work_to(self, uid: int, gid: int) -> None:
        """Lets an account use the working directory, and pass through what lies above it.

        The attempt's directory itself stays ours: it can neither be listed nor changed by others.
        """
        for folder in (os.path.dirname(self.directory), self.directory):
            os.chmod(folder, 0o711)
        os.chown(self.work, uid, gid, follow_symlinks=False)

    def remove_work(self) -> None:
        """Removes what the command left in its folder; an empty folder is not worth the effort."""
        try:
            with os.scandir(self.work) as entries:
                is_empty = next(entries, None) is None
        except OSError:
            return  # the command removed it, or put something else in its place
        if not is_empty:
            # imported here: a cluster's runners pay for what they import, each anew
            import shutil
            import subprocess

            with contextlib.suppress(RecursionError):
                shutil.rmtree(self.work, ignore_errors=True)
            if os.path.lexists(self.work):
                # folders within folders, deeper than Python goes
                subprocess.run(["rm", "-rf", "--", self.work], check=False)

    def _is_over(self) -> bool:
        return any(os.path.exists(self.path(name)) for name in ("started", "exit.json"))

    def _locked(self) -> bool:
        # the service looks whether the lock is free by taking it for a moment
        for _ in range(LOCK_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(LOCK_PAUSE_SECONDS)
        return False

    def _emptied(self) -> None:
        try:
            os.mkdir(self.work, 0o700)
        except FileExistsError:
            import shutil

            shutil.rmtree(self.work)
            for name in ("stdout", "stderr", "phase.json"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path(name))
            os.mkdir(self.work, 0o700)

    def _write(self, name: str, value: Dict[str, Any], synced: Optional[Iterable[str]]) -> None:
        """Replaces a file at once; with `synced`, it and these folders reach the disk before."""
        aside = self.path(name + ".new")
        descriptor = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            content = json.dumps(value).encode()
            while content:
                content = content[file.write(content) :]
            if synced is not None:
                os.fsync(file.fileno())
        for folder in synced or ():
            sync_directory(folder)
        os.rename(aside, self.path(name))


def identity(process: int) -> str:
    """What tells a process from a later one of the same number: its number and its start.

    Source: proc(5), starttime in /proc/[pid]/stat. Where there is no /proc, the number alone.
    """
    try:
        with open("/proc/%d/stat" % process, "rb", buffering=0) as file:
            start = file.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        start = "0"
    return "%d %s" % (process, start)


def above(path: str, count: int, on_disk: str = "") -> List[str]:
    """The folders above a path, nearest first, whose names have to be synced for it to be there.

    Args:
        count: how many may be new.
        on_disk: one of them that is known to be there after a power cut.
    """
    folders: List[str] = []
    while len(folders) < count and on_disk not in folders:
        path = os.path.dirname(path)
        folders.append(path)
    return folders


def sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
