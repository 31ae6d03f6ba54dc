"""Makes a data directory of a backup, for a service that is not there yet.

What ran when the backup was made may have run on, and must not be started twice: such a job is
lost, or is tried again if it asked for that. What waited then waits again.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from kotta.errors import ConfigError
from kotta.models.upkeep import CheckReport
from kotta_service import jobs
from kotta_service.listening import owned
from kotta_service.storage.files import FileStorage
from kotta_service.store import jobs as store
from kotta_service.store import queues
from kotta_service.store.database import Database, Transaction
from kotta_service.store.migration import prepare
from kotta_service.syncing import sync_directory
from kotta_service.upkeep.backup import DATABASE, END, FORMAT, HEAD, SECRETS
from kotta_service.upkeep.checking import Checker

_FOLDERS = ("files", "jobs")
_OF_ENGINES = (("slurm", "jobs"), ("parsl", "jobs"))
"""Where attempts lie in some archives: they come to `jobs`, where any settings find them."""
_OF_NO_MATTER = {"service.lock", "service.log"}
"""What a service that never did anything leaves."""


def restore(backup: Path, data: Path) -> CheckReport:
    """Makes `data`, which has nothing in it yet, what it was when the backup was made.

    Until all of it is there and was checked, file by file, `data` is as it was.

    Returns:
        What the check has found; if something is broken, nothing was restored.

    Raises:
        ConfigError: it is no backup, or not a whole one, or a newer release made it; or there is
            something in `data` already.
        ConflictError: a service is at work on `data`.
    """
    os.umask(0o077)
    with owned(data):
        _refuse_if_used(data)
        aside = data.with_name(f"{data.name}.restoring")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        try:
            _extract(backup, aside)
            report = _settled(aside)
            if not report.broken:
                _put_in_place(aside, data)
            return report
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _refuse_if_used(data: Path) -> None:
    if found := sorted(set(os.listdir(data)) - _OF_NO_MATTER):
        raise ConfigError(
            f"there is something in {data} already: {', '.join(found[:3])}",
            hint="--data DIR restores to a folder that is empty or not there yet",
        )


def _extract(backup: Path, target: Path) -> None:
    last, count, end = "", 0, {}
    try:
        with tarfile.open(backup, "r|*") as archive:
            for member in archive:
                _refuse_strange(member)
                if (last := member.name) in (HEAD, END):
                    end = _json(archive, member)
                if not count:
                    _refuse_unknown(end)
                elif last != END:
                    _write(archive, member, target / _place(member))
                count += 1
    except (tarfile.TarError, EOFError, ValueError, AttributeError) as error:
        raise ConfigError(f"{backup} is no backup of Kotta's, or is damaged: {error}") from error
    except OSError as error:
        raise ConfigError(f"{backup} cannot be restored: {error}") from error
    if last != END or end.get("files") != count - 1:
        raise ConfigError(f"{backup} is not a whole backup: its end is missing")


def _refuse_unknown(head: dict[str, Any]) -> None:
    if head.get("format") != FORMAT:
        raise ConfigError(
            f"the backup was made by a newer release ({head.get('version')})",
            hint="install the newest Kotta: pip install --upgrade kotta-cli",
        )


def _refuse_strange(member: tarfile.TarInfo) -> None:
    path = _place(member)
    is_known = member.name in (HEAD, END, DATABASE, *SECRETS) or path.parts[0] in _FOLDERS
    if not member.isreg() or not is_known or path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"there is something in the backup that is not Kotta's: {member.name}")


def _place(member: tarfile.TarInfo) -> PurePosixPath:
    path = PurePosixPath(member.name)
    return PurePosixPath(*path.parts[1:]) if path.parts[:2] in _OF_ENGINES else path


def _json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    file = archive.extractfile(member)
    found = json.loads(file.read(1 << 16)) if file is not None else None
    if not isinstance(found, dict):
        raise ValueError("it does not begin as one")
    return found


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None
    with path.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


def _settled(data: Path) -> CheckReport:
    """Brings the database up to date, gives up what ran, and checks all of it."""
    database = Database(data / DATABASE)
    prepare(database.backend)
    storage = FileStorage(data / "files")
    database.start()
    try:
        report = Checker(database, storage, data, contents=True, processes=False).run()
        database.write(_lose_active).result()
    finally:
        database.close()
    return report


def _lose_active(transaction: Transaction) -> None:
    for placed in queues.placed(transaction.connection, (), but=True):
        row = store.summary_by_id(transaction.connection, placed.id)
        if row is not None:
            jobs.lose(transaction, row, time.time())
    # no dispatcher is there to start anything in this transaction
    transaction.needs_assignment = False


def _put_in_place(aside: Path, data: Path) -> None:
    for folder in _all_folders(aside):
        sync_directory(folder)
    for name in _OF_NO_MATTER & set(os.listdir(data)):
        (data / name).unlink()
    data.rmdir()
    aside.rename(data)
    sync_directory(data.parent)


def _all_folders(root: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(root, topdown=False):
        yield Path(folder)
