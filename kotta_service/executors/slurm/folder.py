"""The folder that the service and the nodes share: attempts' directories, and news of them.

::

    jobs/4f/4f6c….1/     the directory of an attempt, as docs/runner.md describes it
    news/4f6c….1         made by a runner that has something to tell, removed by who has heard it
    kotta-runner-….pyz   the runner

Caches of a network file system may hide for a while that a name is there. Opening its folder makes
them look again: so names are looked up in a folder that was opened just now. Source: nfs(5),
"Close-to-open cache consistency" and "Directory entry caching".
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kotta_service.executors import Key
from kotta_service.syncing import sync_directory

BARRED = "barred"
"""What a claim holds that the service made, so that no runner ever can."""
_MAX_BYTES = 16 << 20
"""Of a file that a runner writes: an exit record may hold a result."""


@dataclass(frozen=True)
class Traces:
    """What an attempt's directory holds.

    Attributes:
        record: the exit record, None if there is none (that can be read).
        claim: what its claim says; None: nobody has claimed it.
        alive: what its runner wrote last to show that it lives.
        phase: the latest phase.
    """

    record: dict[str, Any] | None = None
    claim: str | None = None
    alive: str | None = None
    phase: dict[str, Any] | None = None


class SharedFolder:
    """The folder at `root`, made if it is not there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.news = root / "news"
        for folder in (root, root / "jobs", self.news):
            folder.mkdir(mode=0o700, exist_ok=True, parents=True)

    def directory(self, key: Key) -> Path:
        return self.root / "jobs" / key.job_id[:2] / f"{key.job_id}.{key.attempt}"

    def news_of(self, key: Key) -> Path:
        return self.news / f"{key.job_id}.{key.attempt}"

    def heard(self) -> list[Key]:
        """The attempts that have something to tell since this was last asked."""
        keys = []
        with contextlib.suppress(OSError), os.scandir(self.news) as entries:
            for entry in entries:
                job_id, _, attempt = entry.name.rpartition(".")
                # removed first: what is told from now on makes it anew
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
                if job_id and attempt.isdigit():
                    keys.append(Key(job_id, int(attempt)))
        return keys

    def look(self, key: Key) -> Traces:
        """What an attempt has left so far."""
        with _opened(self.directory(key)) as folder:
            if folder is None:
                return Traces()
            # a runner writes its record before all else ends, so this order misses none
            record = _json(_read(folder, "exit.json"))
            if record is not None:
                return Traces(record=record)
            return Traces(
                claim=_read(folder, "claim"),
                alive=_read(folder, "alive"),
                phase=_json(_read(folder, "phase.json")),
            )

    def write_launch(self, key: Key, launch: dict[str, Any]) -> Path:
        """Leaves what a runner has to know where it reads it, and removes it."""
        directory = self.directory(key)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / "launch.json"
        aside = directory / f"launch.{secrets.token_hex(4)}"
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(launch, file)
        aside.rename(path)
        return path

    def bar(self, key: Key) -> bool:
        """Keeps an attempt from ever starting; False if a runner has claimed it."""
        directory = self.directory(key)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            claim = os.open(directory / "claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return self.is_barred(key)
        os.write(claim, BARRED.encode())
        os.fsync(claim)
        os.close(claim)
        sync_directory(directory)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(directory / "launch.json")
        return True

    def is_barred(self, key: Key) -> bool:
        with _opened(self.directory(key)) as folder:
            return folder is not None and _read(folder, "claim") == BARRED

    def bar_start(self, key: Key) -> None:
        """Keeps a runner that may live yet, unseen, from starting its command if it has not."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.close(os.open(self.directory(key) / "started", flags, 0o600))
            sync_directory(self.directory(key))

    def ask_cancel(self, key: Key) -> None:
        """Leaves word that a runner shall cancel its attempt."""
        with contextlib.suppress(FileNotFoundError):
            flags = os.O_CREAT | os.O_WRONLY
            os.close(os.open(self.directory(key) / "cancel", flags, 0o600))

    def log(self, key: Key) -> str:
        """What Slurm and a runner that could not begin said, the end of it; "" for nothing."""
        with _opened(self.directory(key)) as folder:
            text = "" if folder is None else _read(folder, "runner.log") or ""
        return text[-10_000:]


class Lives:
    """Which runners show that they live: by what changes, as clocks of machines may differ."""

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[str | None, float]] = {}

    def silent_seconds(self, key: Key, alive: str | None) -> float:
        """How long a runner has shown nothing new, as far as was seen here."""
        now = time.monotonic()
        known = self._seen.get(key)
        if known is None or known[0] != alive:
            self._seen[key] = (alive, now)
            return 0.0
        return now - known[1]

    def forget_all_but(self, keys: set[Key]) -> None:
        self._seen = {key: seen for key, seen in self._seen.items() if key in keys}


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int | None]:
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _read(folder: int, name: str) -> str | None:
    """A file's text; None if there is none, or it is no plain file.

    A job's account may write there: no link is followed, and no FIFO waited for.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None
    try:
        parts = []
        left = _MAX_BYTES
        while left > 0 and (part := os.read(file, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(file)


def _json(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
