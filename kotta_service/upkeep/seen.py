"""What a check has read of the database, kept where it may be larger than memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from typing_extensions import Self

_TABLES = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, number INTEGER, attempt INTEGER, has_ended INTEGER)
    WITHOUT ROWID;
CREATE INDEX jobs_by_number ON jobs (number);
CREATE TABLE outputs (job_id TEXT, attempt INTEGER, name TEXT, size_bytes INTEGER, sha256 TEXT);
CREATE INDEX outputs_by_attempt ON outputs (job_id, attempt);
CREATE TABLE uploads (place TEXT PRIMARY KEY, owner TEXT, sha256 TEXT, size_bytes INTEGER)
    WITHOUT ROWID;
"""


class SeenOutput(NamedTuple):
    """An output; one that is not available has no SHA-256."""

    job_id: str
    attempt: int
    name: str
    size_bytes: int
    sha256: str | None


class SeenUpload(NamedTuple):
    """An upload; several of the same place are one."""

    place: str
    owner: str
    sha256: str
    size_bytes: int


class SeenJob(NamedTuple):
    """A job.

    Attributes:
        attempt: the latest that may have been begun.
    """

    job_id: str
    number: int
    attempt: int
    has_ended: bool


class Seen:
    """A database of its own, in a file without a name that is gone when it is closed."""

    def __init__(self) -> None:
        # Source: sqlite.org/inmemorydb.html: "" is a temporary file, of which a cache is in memory
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -512; {_TABLES}")
        self._rows.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def add_job(self, job: SeenJob) -> None:
        self._rows.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?)", job)

    def add_output(self, output: SeenOutput) -> None:
        self._rows.execute("INSERT INTO outputs VALUES (?, ?, ?, ?, ?)", output)

    def add_upload(self, upload: SeenUpload) -> None:
        self._rows.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", upload)

    def job(self, job_id: str) -> SeenJob | None:
        """None: there is none."""
        found = self._one("SELECT * FROM jobs WHERE id = ?", job_id)
        return None if found is None else SeenJob._make(found)

    def has_job_within(self, first: int, count: int) -> bool:
        """Whether there is a job of one of `count` numbers from `first` on."""
        words = "SELECT 1 FROM jobs WHERE number >= ? AND number - ? < ? LIMIT 1"
        return self._one(words, first, first, count) is not None

    @property
    def last_number(self) -> int:
        """The highest of a job, 0 if there is none."""
        return self._first("SELECT coalesce(max(number), 0) FROM jobs")

    def has_outputs(self, job_id: str, attempt: int) -> bool:
        words = "SELECT 1 FROM outputs WHERE job_id = ? AND attempt = ? LIMIT 1"
        return self._one(words, job_id, attempt) is not None

    def has_upload(self, place: str) -> bool:
        return self._one("SELECT 1 FROM uploads WHERE place = ?", place) is not None

    def outputs(self) -> Iterator[SeenOutput]:
        """Those that are available."""
        with closing(self._rows.execute("SELECT * FROM outputs WHERE sha256 IS NOT NULL")) as found:
            yield from map(SeenOutput._make, found)

    def uploads(self) -> Iterator[SeenUpload]:
        with closing(self._rows.execute("SELECT * FROM uploads")) as found:
            yield from map(SeenUpload._make, found)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Of jobs, of available outputs, and of uploads."""
        return (
            self._first("SELECT count(*) FROM jobs"),
            self._first("SELECT count(*) FROM outputs WHERE sha256 IS NOT NULL"),
            self._first("SELECT count(*) FROM uploads"),
        )

    def _first(self, statement: str) -> int:
        return int(self._rows.execute(statement).fetchone()[0])

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._rows.execute(statement, values).fetchone()
        return found
