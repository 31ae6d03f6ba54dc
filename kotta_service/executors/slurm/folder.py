"""The folder that the service and the nodes share: attempts' directories, and news of them.

::

    jobs/4f/4f6c….1/     the directory of an attempt, as docs/runner.md describes it
    news/4f6c….1         made by a runner that has something to tell, removed by who has heard it
    environments/1001/   an account's Python environments
    kotta-runner-….pyz   the runner

Where jobs run as accounts, an attempt's directory is its account's, and what is read there may be
anything. All above it is the service's: others can pass, and make news, but list nothing.

Caches of a network file system may hide for a while that a name is there. Opening its folder makes
them look again: so names are looked up in a folder that was opened just now. Source: nfs(5),
"Close-to-open cache consistency" and "Directory entry caching".
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kotta_service.attempt_files import opened_folder, parsed, read, read_end
from kotta_service.executors import Key
from kotta_service.executors.slurm.giving import Account, given
from kotta_service.messages import RunnerPhase
from kotta_service.storage.files import remove_path
from kotta_service.storage.taking import take_back
from kotta_service.syncing import sync_directory

BARRED = "barred"
"""What a claim holds that the service made, so that no runner ever can."""
_SMALL_BYTES = 64 << 10
_MOST_NEWS = 10_000
"""So many at a time: whoever makes more holds others up by no more than that."""
_KEY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[.-]([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Traces:
    """What an attempt's directory holds.

    Attributes:
        account: whose the directory is, if it is another than the service's.
        record: the exit record, None if there is none (that can be read).
        claim: what its claim says; None: nobody has claimed it.
        alive: what its runner wrote last to show that it lives.
        phase: the latest phase.
    """

    account: int | None = None
    record: dict[str, Any] | None = None
    claim: str | None = None
    alive: str | None = None
    phase: dict[str, Any] | None = None


class SharedFolder:
    """The folder at `root`, made if it is not there.

    Args:
        is_passable: accounts have directories of their own in it.
    """

    def __init__(self, root: Path, *, is_passable: bool = False) -> None:
        self.root = root
        self.news = root / "news"
        self._is_passable = is_passable
        for folder in (root, root / "jobs", self.news):
            self._make(folder)
        if is_passable:
            # anybody may leave word, and nobody list or remove that of others
            self.news.chmod(0o1733)

    def directory(self, key: Key) -> Path:
        return self.root / "jobs" / key.job_id[:2] / f"{key.job_id}.{key.attempt}"

    def news_of(self, key: Key) -> Path:
        return self.news / f"{key.job_id}.{key.attempt}"

    def heard(self) -> list[Key]:
        """The attempts that have something to tell since this was last asked, or some of them."""
        keys = []
        with contextlib.suppress(OSError), os.scandir(self.news) as entries:
            for entry in islice(entries, _MOST_NEWS):
                key = key_of(entry.name)
                # removed first: what is told from now on makes it anew
                try:
                    os.unlink(entry.path)
                except IsADirectoryError:
                    remove_path(Path(entry.path))
                except OSError:
                    continue
                if key is not None:
                    keys.append(key)
        return keys

    def owner(self, key: Key) -> int | None:
        """Whose an attempt's directory is; None if it is not there."""
        try:
            return self.directory(key).lstat().st_uid
        except OSError:
            return None

    def look(self, key: Key) -> Traces:
        """What an attempt has left so far."""
        with opened_folder(self.directory(key)) as folder:
            if folder is None:
                return Traces()
            owner = os.fstat(folder).st_uid
            account = owner if self._is_passable and owner != os.geteuid() else None
            # a runner writes its record before all else ends, so this order misses none
            record = parsed(read(folder, "exit.json"))
            if record is not None:
                return Traces(account, record)
            return Traces(
                account,
                claim=_claim(folder),
                alive=_text(read(folder, "alive", _SMALL_BYTES)),
                phase=_phase(read(folder, "phase.json", _SMALL_BYTES)),
            )

    def write_launch(
        self, key: Key, launch: dict[str, Any], account: Account | None = None
    ) -> Path:
        """Leaves what a runner has to know where it reads it, and removes it.

        Args:
            account: whose job it is to be, None for the service's own.
        """
        directory = self._make_directory(key)
        with opened_folder(directory) as folder:
            if folder is None:
                raise NotADirectoryError(errno.ENOTDIR, "it is no folder", str(directory))
            if account is not None:
                place = self.root / "environments" / str(account.uid)
                self._make(place.parent)
                _make_its(place, account)
                launch = given(launch, folder, str(place))
            aside = f"launch.{secrets.token_hex(4)}"
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            with os.fdopen(os.open(aside, flags, 0o600, dir_fd=folder), "w") as file:
                json.dump(launch, file)
                file.flush()
                if account is not None:
                    os.fchown(file.fileno(), account.uid, account.gid)
            os.rename(aside, "launch.json", src_dir_fd=folder, dst_dir_fd=folder)
            if account is not None:
                os.fchown(folder, account.uid, account.gid)
                # it may not sync what lies above, without which its marker is nowhere
                for each in (directory, directory.parent, directory.parent.parent):
                    sync_directory(each)
        return directory / "launch.json"

    def bar(self, key: Key) -> bool:
        """Keeps an attempt from ever starting; False if a runner has claimed it."""
        directory = self._make_directory(key)
        try:
            claim = os.open(directory / "claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return self.is_barred(key)
        os.write(claim, BARRED.encode())
        os.fsync(claim)
        os.close(claim)
        sync_directory(directory)
        with contextlib.suppress(OSError):
            os.unlink(directory / "launch.json")
        self._take_back(key)
        return True

    def is_barred(self, key: Key) -> bool:
        with opened_folder(self.directory(key)) as folder:
            return folder is not None and _claim(folder) == BARRED

    def bar_start(self, key: Key) -> None:
        """Keeps a runner that may live yet, unseen, from starting its command if it has not."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.close(os.open(self.directory(key) / "started", flags, 0o600))
            sync_directory(self.directory(key))
        self._take_back(key)

    def ask_cancel(self, key: Key) -> None:
        """Leaves word that a runner shall cancel its attempt."""
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            # never through a link that lies there
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            os.close(os.open(self.directory(key) / "cancel", flags, 0o600))

    def log(self, key: Key) -> str:
        """What Slurm and a runner that could not begin said, the end of it; "" for nothing."""
        with opened_folder(self.directory(key)) as folder:
            found = b"" if folder is None else read_end(folder, "runner.log", 10_000)
        return found.decode("utf-8", "replace")

    def _take_back(self, key: Key) -> None:
        if self._is_passable:
            take_back(self.directory(key))

    def _make_directory(self, key: Key) -> Path:
        directory = self.directory(key)
        self._make(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory

    def _make(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        if self._is_passable:
            folder.chmod(0o711)


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


def key_of(name: str) -> Key | None:
    """The attempt that is called so; None: anybody may have called anything so."""
    found = _KEY.fullmatch(name)
    return Key(found[1], int(found[2])) if found else None


def _make_its(folder: Path, account: Account) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, account.uid, account.gid, follow_symlinks=False)


def _claim(folder: int) -> str | None:
    # the service bars in a directory of an account's as well
    content = read(folder, "claim", _SMALL_BYTES, or_ours=True)
    if content is None:
        # an account may put anything in its place, and has claimed the attempt all the same
        with contextlib.suppress(OSError):
            os.stat("claim", dir_fd=folder, follow_symlinks=False)
            return ""
    return _text(content)


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


def _phase(content: bytes | None) -> dict[str, Any] | None:
    try:
        return RunnerPhase.model_validate_json(content or b"").model_dump()
    except ValidationError:
        return None
