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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from kotta.models.upkeep import CheckReport, Defect
from kotta_service.jobs import TERMINAL
from kotta_service.storage import Content, Kept, Storage, Stored
from kotta_service.storage.files import remove_path
from kotta_service.store import whole
from kotta_service.store.database import Database
from kotta_service.store.queues import is_placed, placed_attempt
from kotta_service.store.whole import WholeJob
from kotta_service.upkeep.job_rules import broken_rules
from kotta_service.upkeep.places import Places
from kotta_service.upkeep.seen import Seen, SeenJob, SeenOutput, SeenUpload

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
        self._held: Counter[str] = Counter()

    def run(self) -> CheckReport:
        """Looks at everything; takes as long as reading it does."""
        with Seen() as seen:
            with self._database.read() as connection:
                for words in self._database.backend.damage(connection):
                    self._tell("broken", "the database", words)
                self._look_at_database(seen, connection)
            if self._processes:
                self._look_at_processes(seen)
            for kept in self._kept(seen):
                self._look_at_file(kept)
            for left in self._unknown(seen):
                if left.changed_at < self._since:
                    self._tell("leftover", left.where, "nobody refers to it")
            jobs, outputs, uploads = seen.counts
        return CheckReport(
            jobs=jobs,
            outputs=outputs,
            uploads=uploads,
            read_bytes=self._read_bytes,
            broken=self._counts["broken"],
            leftovers=self._counts["leftover"],
            defects=sorted(self._found, key=lambda defect: defect.kind),
        )

    def leftovers(self, older_than: float) -> list[Leftover]:
        """Of a check, nothing but what nobody refers to."""
        with Seen() as seen:
            with self._database.read() as connection:
                self._look_at_database(seen, connection)
            return [left for left in self._unknown(seen) if left.changed_at < older_than]

    def _tell(self, kind: Literal["broken", "leftover"], subject: str, words: str) -> None:
        self._counts[kind] += 1
        if self._counts[kind] <= MAX_TOLD:
            self._found.append(Defect(kind=kind, subject=subject, words=words))

    def _look_at_database(self, seen: Seen, connection: Connection) -> None:
        for job in whole.jobs(connection):
            self._look_at_job(seen, job)
        for row in whole.uploads(connection):
            place = self._storage.upload(row.owner, row.sha256)
            seen.add_upload(SeenUpload(place.where, row.owner, row.sha256, row.size_bytes))
            self._held[row.owner] += row.size_bytes
        counted = whole.holdings(connection)
        for owner in sorted({*self._held, *counted}):
            if self._held[owner] != counted.get(owner, 0):
                words = f"{counted.get(owner, 0)} bytes are counted, and {self._held[owner]} held"
                self._tell("broken", f"the storage of {owner}", words)
        for given in whole.submissions(connection):
            if not seen.has_job_within(given.first_number, given.job_count):
                self._tell("broken", f"the key {given.key}", "stands for jobs that are not there")
        if seen.last_number > whole.counters(connection)["job"]:
            self._tell("broken", "the database", "has a job of a number that was not given yet")

    def _look_at_job(self, seen: Seen, job: WholeJob) -> None:
        row = job.job
        for words in broken_rules(job):
            self._tell("broken", row.id, words)
        # an engine with a queue of its own may be about to begin with the next one
        attempt = placed_attempt(row) if is_placed(row) else row.attempt
        seen.add_job(SeenJob(row.id, row.number, attempt, row.status in TERMINAL))
        for each in job.outputs:
            sha256 = (each.sha256 or "") if each.available else None
            size_bytes = each.size_bytes or 0
            seen.add_output(SeenOutput(row.id, each.attempt, each.name, size_bytes, sha256))
            self._held[row.owner] += size_bytes if each.available else 0

    def _look_at_processes(self, seen: Seen) -> None:
        """Nothing may run of a job that is over, nor of an attempt before the latest."""
        for process, tag in tags_of_processes():
            job_id, _, attempt = tag.partition("/")
            job = seen.job(job_id)
            # a later one may have begun since
            if job and (job.has_ended or (attempt.isdecimal() and int(attempt) < job.attempt)):
                self._tell("broken", job_id, f"is over, and its process {process} runs on")

    def _kept(self, seen: Seen) -> Iterator[_Kept]:
        for job_id, attempt, name, size_bytes, sha256 in seen.outputs():
            place = self._storage.output(job_id, attempt, name)
            yield _Kept(job_id, name, place, size_bytes, sha256 or "")
        for upload in seen.uploads():
            place = self._storage.upload(upload.owner, upload.sha256)
            yield _Kept(upload.place, upload.sha256, place, upload.size_bytes, upload.sha256)

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

    def _unknown(self, seen: Seen) -> Iterator[Leftover]:
        for path, job_id, attempt in self._places.attempts():
            job = seen.job(job_id)
            # one that an engine had, and that was ended there, or here, before it began
            if job is None or attempt > job.attempt + 1:
                yield Leftover(str(path), _changed_at(path), partial(remove_path, path))
        for stored in self._storage.stored():
            if not self._is_wanted(seen, stored):
                remove = partial(self._storage.remove, stored)
                yield Leftover(stored.where, stored.changed_at, remove)

    def _is_wanted(self, seen: Seen, stored: Stored) -> bool:
        if not stored.job_id:
            return seen.has_upload(stored.where)
        job = seen.job(stored.job_id)
        if job is None:
            return False
        may_come = not job.has_ended and stored.attempt >= job.attempt
        return may_come or seen.has_outputs(job.job_id, stored.attempt)


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
