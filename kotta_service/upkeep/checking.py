"""Holds all that a service keeps to what it promises: rows to rules, files to their SHA-256.

It may be run while the service is at work: it looks at one moment of the database, and at files
that do not change after it. What is too new to be judged is left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from kotta.models.upkeep import CheckReport, Defect
from kotta_service.jobs import TERMINAL
from kotta_service.store import whole
from kotta_service.store.database import Database
from kotta_service.store.whole import WholeJob
from kotta_service.upkeep.job_rules import broken_rules
from kotta_service.upkeep.places import Places

NEW_SECONDS = 60
"""What is younger may be referred to by a commit that has yet to come."""
MAX_TOLD = 1_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Kept:
    """A file as the database has it; `subject` is what is broken if it is another."""

    subject: str
    path: Path
    size_bytes: int
    sha256: str


@dataclass
class _Seen:
    """What the database says there is."""

    jobs: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    with_outputs: set[tuple[str, int]] = field(default_factory=set)
    outputs: list[_Kept] = field(default_factory=list)
    uploads: dict[str, _Kept] = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)
    held: Counter[str] = field(default_factory=Counter)


class Checker:
    """One check.

    Args:
        contents: read every file and compare it with its SHA-256; else its size alone counts.
    """

    def __init__(self, database: Database, data: Path, *, contents: bool) -> None:
        self._database = database
        self._places = Places(data)
        self._contents = contents
        self._since = time.time() - NEW_SECONDS
        self._found: list[Defect] = []
        self._counts: Counter[str] = Counter()
        self._read_bytes = 0
        self._seen = _Seen()

    def run(self) -> CheckReport:
        """Looks at everything; takes as long as reading it does."""
        with self._database.read() as connection:
            for words in self._database.backend.damage(connection):
                self._tell("broken", "the database", words)
            for job in whole.jobs(connection):
                self._look_at_job(job)
            self._look_at_rows(connection)
        self._look_at_processes()
        for kept in (*self._seen.outputs, *self._seen.uploads.values()):
            self._look_at_file(kept)
        for path in self._unknown():
            if _changed_at(path) < self._since:
                self._tell("leftover", str(path), "nobody refers to it")
        return CheckReport(
            jobs=self._seen.jobs,
            outputs=len(self._seen.outputs),
            uploads=len(self._seen.uploads),
            read_bytes=self._read_bytes,
            broken=self._counts["broken"],
            leftovers=self._counts["leftover"],
            defects=sorted(self._found, key=lambda defect: defect.kind),
        )

    def leftovers(self, older_than: float) -> list[Path]:
        """Of a check, nothing but what nobody refers to."""
        with self._database.read() as connection:
            for job in whole.jobs(connection):
                self._look_at_job(job)
            self._look_at_rows(connection)
        return [path for path in self._unknown() if _changed_at(path) < older_than]

    def _tell(self, kind: Literal["broken", "leftover"], subject: str, words: str) -> None:
        self._counts[kind] += 1
        if self._counts[kind] <= MAX_TOLD:
            self._found.append(Defect(kind=kind, subject=subject, words=words))

    def _look_at_job(self, job: WholeJob) -> None:
        seen, row = self._seen, job.job
        for words in broken_rules(job):
            self._tell("broken", row.id, words)
        seen.jobs += 1
        seen.numbers.add(row.number)
        seen.attempts[row.id] = row.attempt
        if row.status in TERMINAL:
            seen.ended.add(row.id)
        for output in job.outputs:
            seen.with_outputs.add((row.id, output.attempt))
            if output.available:
                path = self._places.output_directory(row.id, output.attempt) / output.name
                seen.outputs.append(_Kept(row.id, path, output.size_bytes or 0, output.sha256))
                seen.held[row.owner] += output.size_bytes or 0

    def _look_at_rows(self, connection: Connection) -> None:
        seen = self._seen
        for row in whole.uploads(connection):
            path = self._places.upload(row.sha256)
            seen.uploads[row.sha256] = _Kept(str(path), path, row.size_bytes, row.sha256)
            seen.held[row.owner] += row.size_bytes
        counted = whole.holdings(connection)
        for owner in sorted({*seen.held, *counted}):
            if seen.held[owner] != counted.get(owner, 0):
                words = f"{counted.get(owner, 0)} bytes are counted, and {seen.held[owner]} held"
                self._tell("broken", f"the storage of {owner}", words)
        for given in whole.submissions(connection):
            numbers = range(given.first_number, given.first_number + given.job_count)
            if seen.numbers.isdisjoint(numbers):
                self._tell("broken", f"the key {given.key}", "stands for jobs that are not there")
        if max(seen.numbers, default=0) > whole.counters(connection)["job"]:
            self._tell("broken", "the database", "has a job of a number that was not given yet")

    def _look_at_processes(self) -> None:
        """Nothing may run of a job that is over, nor of an attempt before the latest."""
        for process, tag in tags_of_processes():
            job_id, _, attempt = tag.partition("/")
            latest = self._seen.attempts.get(job_id)
            if latest is not None and (job_id in self._seen.ended or attempt != str(latest)):
                self._tell("broken", job_id, f"is over, and its process {process} runs on")

    def _look_at_file(self, kept: _Kept) -> None:
        try:
            about = kept.path.lstat()
            if about.st_size != kept.size_bytes:
                words = f"has {about.st_size} bytes in place of {kept.size_bytes}"
                self._tell("broken", kept.subject, f"{kept.path.name} {words}")
            elif self._contents and self._sha256(kept.path) != kept.sha256:
                self._tell("broken", kept.subject, f"{kept.path.name} holds other bytes")
        except OSError as error:
            words = error.strerror or str(error)
            self._tell("broken", kept.subject, f"{kept.path.name} cannot be read: {words}")

    def _sha256(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                self._read_bytes += len(chunk)
        return digest.hexdigest()

    def _unknown(self) -> Iterator[Path]:
        seen = self._seen
        for path, job_id, attempt in self._places.attempts():
            if attempt > seen.attempts.get(job_id, 0):
                yield path
        for path, job_id, attempt in self._places.outputs():
            may_come = job_id not in seen.ended and attempt >= seen.attempts.get(
                job_id, attempt + 1
            )
            if not may_come and (job_id, attempt) not in seen.with_outputs:
                yield path
        for path in self._places.uploads():
            if path.name not in seen.uploads:
                yield path


def leftovers(database: Database, data: Path, *, older_than: float) -> list[Path]:
    """The files and folders that nobody refers to, and that were changed last before a moment."""
    checker = Checker(database, data, contents=False)
    return checker.leftovers(older_than)


def tags_of_processes() -> Iterator[tuple[int, str]]:
    """Every live process of a job that can be seen, and its `JOB_ID/ATTEMPT` (Linux)."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc"):
            if not name.isdecimal():
                continue
            with contextlib.suppress(OSError):
                environment = Path(f"/proc/{name}/environ").read_bytes()
                for each in environment.split(b"\0"):
                    if each.startswith(b"KOTTA_TAG="):
                        yield int(name), each[len(b"KOTTA_TAG=") :].decode(errors="replace")


def _changed_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()  # it is gone
