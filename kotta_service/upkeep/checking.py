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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from kotta.models.upkeep import CheckReport, Defect
from kotta_service.jobs import TERMINAL
from kotta_service.storage import Content, Kept, Storage
from kotta_service.storage.files import remove_path
from kotta_service.store import whole
from kotta_service.store.database import Database
from kotta_service.store.queues import is_placed, placed_attempt
from kotta_service.store.whole import WholeJob
from kotta_service.upkeep.job_rules import broken_rules
from kotta_service.upkeep.places import Places

NEW_SECONDS = 60
"""What is younger may be referred to by a commit that has yet to come."""
MAX_TOLD = 1_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Kept:
    """A file as the database has it; `subject` is what is broken if it is another.

    Attributes:
        name: what to call it.
    """

    subject: str
    name: str
    place: Kept
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Leftover:
    """Something that nobody refers to.

    Attributes:
        changed_at: seconds since 1970.
    """

    where: str
    changed_at: float
    remove: Callable[[], None]


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
        processes: look for those of jobs that are over; else what runs here is another's.
    """

    def __init__(
        self,
        database: Database,
        storage: Storage,
        data: Path,
        *,
        contents: bool,
        processes: bool = True,
    ) -> None:
        self._database = database
        self._storage = storage
        self._places = Places(data)
        self._contents = contents
        self._processes = processes
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
        if self._processes:
            self._look_at_processes()
        for kept in (*self._seen.outputs, *self._seen.uploads.values()):
            self._look_at_file(kept)
        for left in self._unknown():
            if left.changed_at < self._since:
                self._tell("leftover", left.where, "nobody refers to it")
        return CheckReport(
            jobs=self._seen.jobs,
            outputs=len(self._seen.outputs),
            uploads=len(self._seen.uploads),
            read_bytes=self._read_bytes,
            broken=self._counts["broken"],
            leftovers=self._counts["leftover"],
            defects=sorted(self._found, key=lambda defect: defect.kind),
        )

    def leftovers(self, older_than: float) -> list[Leftover]:
        """Of a check, nothing but what nobody refers to."""
        with self._database.read() as connection:
            for job in whole.jobs(connection):
                self._look_at_job(job)
            self._look_at_rows(connection)
        return [left for left in self._unknown() if left.changed_at < older_than]

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
        # an engine with a queue of its own may be about to begin with the next one
        seen.attempts[row.id] = placed_attempt(row) if is_placed(row) else row.attempt
        if row.status in TERMINAL:
            seen.ended.add(row.id)
        for output in job.outputs:
            seen.with_outputs.add((row.id, output.attempt))
            if output.available:
                place = self._storage.output(row.id, output.attempt, output.name)
                size = output.size_bytes or 0
                seen.outputs.append(_Kept(row.id, output.name, place, size, output.sha256))
                seen.held[row.owner] += output.size_bytes or 0

    def _look_at_rows(self, connection: Connection) -> None:
        seen = self._seen
        for row in whole.uploads(connection):
            place = self._storage.upload(row.owner, row.sha256)
            kept = _Kept(place.where, row.sha256, place, row.size_bytes, row.sha256)
            seen.uploads[place.where] = kept
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
            # a later one may have begun since
            is_earlier = attempt.isdecimal() and int(attempt) < (latest or 0)
            if latest is not None and (job_id in self._seen.ended or is_earlier):
                self._tell("broken", job_id, f"is over, and its process {process} runs on")

    def _look_at_file(self, kept: _Kept) -> None:
        try:
            with kept.place.opened() as content:
                words = "is not there" if content is None else self._fault_of(content, kept)
        except OSError as error:
            words = f"cannot be read: {error.strerror or error}"
        if words:
            self._tell("broken", kept.subject, f"{kept.name} {words}")

    def _fault_of(self, content: Content, kept: _Kept) -> str:
        if content.size != kept.size_bytes:
            return f"has {content.size} bytes in place of {kept.size_bytes}"
        if self._contents and self._sha256(content) != kept.sha256:
            return "holds other bytes"
        return ""

    def _sha256(self, content: Content) -> str:
        digest, place = hashlib.sha256(), 0
        while chunk := content.read(place, _CHUNK_BYTES):
            digest.update(chunk)
            place += len(chunk)
            self._read_bytes += len(chunk)
        return digest.hexdigest()

    def _unknown(self) -> Iterator[Leftover]:
        seen = self._seen
        for path, job_id, attempt in self._places.attempts():
            if attempt > seen.attempts.get(job_id, 0):
                yield Leftover(str(path), _changed_at(path), partial(remove_path, path))
        for stored in self._storage.stored():
            job_id, attempt = stored.job_id, stored.attempt
            may_come = job_id not in seen.ended and attempt >= seen.attempts.get(
                job_id, attempt + 1
            )
            is_known = (job_id, attempt) in seen.with_outputs
            if not job_id:
                may_come, is_known = False, stored.where in seen.uploads
            if not may_come and not is_known:
                remove = partial(self._storage.remove, stored)
                yield Leftover(stored.where, stored.changed_at, remove)


def leftovers(
    database: Database, storage: Storage, data: Path, *, older_than: float
) -> list[Leftover]:
    """The files and folders that nobody refers to, and that were changed last before a moment."""
    checker = Checker(database, storage, data, contents=False)
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
