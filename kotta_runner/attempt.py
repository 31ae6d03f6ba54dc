"""The attempt's directory: its lock, its marker, its records. Every file there is made here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from typing import Any, Dict, Optional

LOCK_TRIES = 20
LOCK_PAUSE_SECONDS = 0.01


class Attempt:
    """One attempt, whose lock this process holds once `claim` has said so."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.work = self.path("work")
        self.control = -1
        self._lock = -1

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def claim(self) -> bool:
        """Takes the lock and empties what an earlier runner left; False: this attempt is not ours.

        It is not if another runner is at work, or if its command was started before.
        """
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self._lock = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._locked() or os.path.exists(self.path("started")):
            os.close(self._lock)
            self._lock = -1
            return False
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self.path("control"), 0o600)
        # read and write, so that it never reports an end of file
        self.control = os.open(self.path("control"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._emptied()
        return True

    def mark_started(self) -> bool:
        """Makes the marker, on disk before it returns; False if it is there already."""
        try:
            descriptor = os.open(self.path("started"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        os.fsync(descriptor)
        os.close(descriptor)
        sync_directory(self.directory)
        return True

    def ask_cancel(self) -> None:
        """What somebody else does who writes to the control FIFO; from any thread."""
        with contextlib.suppress(OSError):
            os.write(self.control, b"c")

    def cancel_asked(self) -> bool:
        """Whether somebody has written to the control FIFO."""
        try:
            return bool(os.read(self.control, 64))
        except BlockingIOError:
            return False

    def write_phase(self, phase: str, timeline: Dict[str, float]) -> None:
        """Tells who looks at the directory where the attempt is; not synced, as it is no record."""
        self._write("phase.json", {"phase": phase, "timeline": timeline}, synced=False)

    def write_record(self, record: Dict[str, Any]) -> None:
        """Leaves the exit record, on disk before it returns."""
        self._write("exit.json", record, synced=True)

    def remove_work(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        for name in ("phase.json", "control"):
            with contextlib.suppress(OSError):
                os.unlink(self.path(name))

    def _locked(self) -> bool:
        # the service looks whether the lock is free by taking it for a moment
        for _ in range(LOCK_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(LOCK_PAUSE_SECONDS)
        return False

    def _emptied(self) -> None:
        for name in ("stdout", "stderr", "phase.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name))
        try:
            os.mkdir(self.work, 0o700)
        except FileExistsError:
            shutil.rmtree(self.work)
            os.mkdir(self.work, 0o700)

    def _write(self, name: str, value: Dict[str, Any], synced: bool) -> None:
        aside = self.path(name + ".new")
        descriptor = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(value).encode())
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.rename(aside, self.path(name))
        if synced:
            sync_directory(self.directory)


def sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """The object in a file, None if there is none."""
    try:
        with open(path, "rb") as file:
            value = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None
