"""Writes all that a service must not lose into one stream, while it is at work: a tar archive.

::

    kotta-backup.json     which release made it, and what it holds
    kotta.db              the database at one moment
    job-tokens.key, token-keys.json
    files/uploads/…, files/outputs/…, jobs/…      what that moment of the database refers to
    complete.json         the last member: how many files there are

The database comes first: files do not change once it refers to them, and none is removed meanwhile
(`turns.reading`). Of attempts that have ended there are samples and what is left of their streams,
in `jobs` whichever engine ran them: there the restored service finds them with any settings. What
runs is not in it, see `restoring`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from kotta._version import __version__
from kotta.errors import ConflictError
from kotta_service.attempt_files import opened_file, opened_folder
from kotta_service.jobs import TERMINAL
from kotta_service.storage import Kept, Storage
from kotta_service.store import schema, whole
from kotta_service.store.database import Database
from kotta_service.upkeep import turns
from kotta_service.upkeep.places import Places

FORMAT = 1
HEAD, END, DATABASE = "kotta-backup.json", "complete.json", "kotta.db"
SECRETS = ("job-tokens.key", "token-keys.json")
OF_ATTEMPTS = ("started", "exit.json", "usage.jsonl", "stdout", "stderr")
_CHUNK_BYTES = 1 << 20


def refuse_elsewhere(database: Database, storage: Storage) -> None:
    """Refuses to copy what has copies of its own.

    Raises:
        ConflictError: the jobs are kept in PostgreSQL, or the files in S3.
    """
    if storage.is_direct:
        raise ConflictError(
            "this service keeps its files in S3, which has versions and copies of its own",
            hint="see docs/commands/admin.md",
        )
    if database.backend.leases is not None:
        raise ConflictError(
            "this service keeps its jobs in PostgreSQL, which has backups of its own",
            hint="pg_dump, then a copy of the data directory: see docs/commands/admin.md",
        )


def stream(data: Path, storage: Storage) -> Generator[bytes, None, None]:
    """The archive of a data directory, chunk by chunk.

    Raises:
        ConflictError: something is being removed now.
    """
    with turns.reading(data), tempfile.TemporaryDirectory(prefix="backup-", dir=data) as name:
        snapshot = Path(name) / DATABASE
        _copy_database(data / DATABASE, snapshot)
        yield from _Archive(data, storage, snapshot).chunks()


def _copy_database(live: Path, target: Path) -> None:
    source = sqlite3.connect(f"{live.as_uri()}?mode=ro", uri=True, timeout=30)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        # without a log beside it the copy is one file
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
        source.close()


class _Archive:
    """Makes a tar archive of which no more than a chunk is in memory."""

    def __init__(self, data: Path, storage: Storage, snapshot: Path) -> None:
        self._data = data
        self._storage = storage
        self._places = Places(data)
        self._snapshot = snapshot
        self._count = 0

    def chunks(self) -> Iterator[bytes]:
        head = {"format": FORMAT, "version": __version__, "schema": schema.SCHEMA_VERSION}
        yield from self._text(HEAD, {**head, "made_at": time.time()})
        yield from self._file(self._snapshot, DATABASE)
        for name in SECRETS:
            yield from self._file(self._data / name, name)
        yield from self._referred_to()
        yield from self._text(END, {"files": self._count})
        # Source: POSIX, pax: two blocks of zeros end an archive
        yield b"\0" * 2 * tarfile.BLOCKSIZE

    def _referred_to(self) -> Iterator[bytes]:
        database = Database(self._snapshot)
        try:
            with database.read() as connection:
                kept = [
                    self._storage.upload(row.owner, row.sha256) for row in whole.uploads(connection)
                ]
                for place in dict.fromkeys(kept):
                    yield from self._kept(place)
                for job in whole.jobs(connection):
                    row = job.job
                    for output in job.outputs:
                        if output.available:
                            yield from self._kept(
                                self._storage.output(row.id, output.attempt, output.name)
                            )
                    latest = row.attempt if row.status in TERMINAL else row.attempt - 1
                    for attempt in range(1, latest + 1):
                        yield from self._attempt(row.id, attempt)
        finally:
            database.close()

    def _kept(self, place: Kept) -> Iterator[bytes]:
        if place.path is not None:
            yield from self._file(place.path, str(place.path.relative_to(self._data)))

    def _attempt(self, job_id: str, attempt: int) -> Iterator[bytes]:
        path = self._places.attempt_directory(job_id, attempt)
        with opened_folder(path, for_good=True) as folder:
            if folder is None:
                return
            # an account that makes errors, or its files shorter, harms those alone
            is_ours = os.fstat(folder).st_uid == os.geteuid()
            for name in OF_ATTEMPTS:
                with opened_file(folder, name, for_good=is_ours) as file:
                    if file is not None:
                        member = f"jobs/{job_id[:2]}/{path.name}/{name}"
                        yield from self._copy(file, member, may_shrink=not is_ours)

    def _text(self, name: str, value: dict[str, object]) -> Iterator[bytes]:
        content = json.dumps(value).encode()
        yield from self._begin(name, len(content))
        yield content
        yield _padding(len(content))

    def _file(self, path: Path, name: str) -> Iterator[bytes]:
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:
            return  # a check of the restored service tells, if it should be there
        with file:
            yield from self._copy(file.fileno(), name)

    def _copy(self, file: int, name: str, *, may_shrink: bool = False) -> Iterator[bytes]:
        """A member of what an open file holds now; zeros for what it turns out not to hold."""
        size = left = os.fstat(file).st_size
        yield from self._begin(name, size)
        while left:
            wanted = min(left, _CHUNK_BYTES)
            chunk = os.read(file, wanted)
            if not chunk and not may_shrink:
                raise RuntimeError(f"{name} became shorter while it was copied")
            chunk = chunk or bytes(wanted)
            left -= len(chunk)
            yield chunk
        yield _padding(size)

    def _begin(self, name: str, size: int) -> Iterator[bytes]:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(time.time())
        self._count += 1
        yield member.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % tarfile.BLOCKSIZE)
