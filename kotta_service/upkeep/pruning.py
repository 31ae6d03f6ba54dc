"""Forgets what ended long ago, or longest ago where there is too much: jobs, outputs, uploads.

Never what has not ended, nor what something that stays refers to: a job's outputs that are another
one's inputs, a job that another is to come after, an upload that is an input. Rows go first, then
files: what is interrupted leaves files that nobody refers to, which the next round removes.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from sqlalchemy import Connection

from kotta.models.upkeep import PruneReport
from kotta_service import uploading
from kotta_service.storage import Storage
from kotta_service.storage.files import remove_path
from kotta_service.store import pruning as store
from kotta_service.store.database import Database, Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.upkeep.checking import leftovers
from kotta_service.upkeep.environments import Unused
from kotta_service.upkeep.places import Places

logger = logging.getLogger(__name__)
YOUNG_SECONDS = 3600
"""What is younger stays: whoever sent it may be about to refer to it."""
AT_ONCE = 200
_JOB, _UPLOAD = "kotta://jobs/", "kotta://uploads/"


@dataclass(frozen=True)
class Terms:
    """What may be forgotten.

    Attributes:
        before: what ended, or was uploaded, before this moment; None: for its age, nothing.
        storage_bytes: what is kept may hold so much; of more, the oldest go. None: any amount.
    """

    before: float | None
    storage_bytes: int | None


@dataclass
class _Plan:
    """What is to go, and what was the last job that was looked at."""

    jobs: list[JobRow] = field(default_factory=list)
    uploads: list[JobRow] = field(default_factory=list)
    freed_bytes: int = 0
    kept_as_needed: int = 0
    last_number: int = 0


class Pruner:
    """Forgets by some terms."""

    def __init__(self, database: Database, storage: Storage, data: Path, terms: Terms) -> None:
        self._database = database
        self._storage = storage
        self._data = data
        self._places = Places(data)
        self._terms = terms

    def run(self, *, dry_run: bool) -> PruneReport:
        """Forgets, or tells what would be forgotten."""
        with self._database.read() as connection:
            plan = self._planned(connection)
        left = leftovers(
            self._database, self._storage, self._data, older_than=time.time() - YOUNG_SECONDS
        )
        environments = self._unused().remove(self._data, dry_run=dry_run)
        if not dry_run:
            for start in range(0, len(plan.jobs), AT_ONCE):
                self._forget(plan.jobs[start : start + AT_ONCE], plan.last_number)
            self._forget_uploads(plan)
            for each in left:
                each.remove()
        return PruneReport(
            dry_run=dry_run,
            jobs=len(plan.jobs),
            uploads=len(plan.uploads),
            leftovers=len(left) + environments,
            freed_bytes=plan.freed_bytes,
            kept_as_needed=plan.kept_as_needed,
        )

    def _unused(self) -> Unused:
        with self._database.read() as connection:
            wanted = frozenset(store.wanted_requirements(connection))
        return Unused(self._terms.before, wanted)

    def _planned(self, connection: Connection) -> _Plan:
        # first: what is submitted from now on is looked at once more before anything goes
        plan = _Plan(last_number=store.last_number(connection))
        open_jobs = _used(store.inputs_of(connection, without_end=True))
        used_uploads = open_jobs.uploads | store.named_contents(connection)
        going = self._going(connection, used_uploads)
        stay = _used_by_others(store.inputs_of(connection), going)
        needed = open_jobs.jobs | stay.jobs
        numbers = store.needed_numbers(connection)
        for row in going:
            if _is_upload(row):
                is_needed, those = row.sha256 in stay.uploads, plan.uploads
            else:
                is_needed, those = row.id in needed or row.number in numbers, plan.jobs
            if is_needed:
                plan.kept_as_needed += 1
            else:
                those.append(row)
                plan.freed_bytes += row.size_bytes
        return plan

    def _going(self, connection: Connection, used_uploads: set[str]) -> list[JobRow]:
        """What the terms let go, oldest first, though something may need it."""
        before, most = self._terms.before, self._terms.storage_bytes
        # on disk the same contents lie there once, whosever they are
        held = store.held_bytes(connection, apart=self._storage.is_direct)
        old = time.time() - YOUNG_SECONDS
        # no more is read than goes, of what may be larger than memory
        with (
            closing(store.ended_jobs(connection)) as jobs,
            closing(store.uploads_by_age(connection, old)) as uploads,
        ):
            going = []
            for row in heapq.merge(jobs, uploads, key=attrgetter("at")):
                is_old = before is not None and row.at < before
                is_beyond = most is not None and held > most
                if not is_old and not is_beyond:
                    break
                if _is_upload(row) and row.sha256 in used_uploads:
                    continue
                if is_old or row.size_bytes:
                    going.append(row)
                    held -= row.size_bytes
        return going

    def _forget(self, rows: Sequence[JobRow], last_number: int) -> None:
        def action(transaction: Transaction) -> list[JobRow]:
            # submissions since the plan was made may refer to some
            news = _used(store.inputs_of(transaction.connection, after=last_number))
            numbers = store.needed_numbers(transaction.connection)
            gone = [row for row in rows if row.id not in news.jobs and row.number not in numbers]
            if gone:
                store.forget_jobs(transaction, [row.number for row in gone])
            return gone

        for row in self._database.write(action).result():
            for attempt in range(1, row.attempt + 1):
                self._storage.forget_outputs(row.id, attempt)
                remove_path(self._places.attempt_directory(row.id, attempt))

    def _forget_uploads(self, plan: _Plan) -> None:
        def action(transaction: Transaction) -> list[JobRow]:
            news = _used(store.inputs_of(transaction.connection, after=plan.last_number))
            gone = [row for row in plan.uploads if row.sha256 not in news.uploads]
            store.forget_uploads(transaction, gone)
            return gone

        before = time.time() - YOUNG_SECONDS
        for row in self._database.write(action).result():
            uploading.forget(self._database, self._storage, row.owner, row.sha256, before)


@dataclass
class _Used:
    """What jobs have as inputs: ids of jobs, SHA-256 of uploads."""

    jobs: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)

    def add(self, other: _Used) -> None:
        self.jobs |= other.jobs
        self.uploads |= other.uploads


def _used(rows: Iterable[JobRow]) -> _Used:
    used = _Used()
    for row in rows:
        for url in row.inputs or ():
            if url.startswith(_JOB):
                used.jobs.add(url[len(_JOB) :].partition("/")[0])
            elif url.startswith(_UPLOAD):
                used.uploads.add(url[len(_UPLOAD) :].partition("/")[0])
    return used


def _used_by_others(rows: Iterable[JobRow], going: Sequence[JobRow]) -> _Used:
    """What jobs that stay have as inputs; of what was to go, what those need stays as well.

    Args:
        rows: of every job; of what they use, only what was to go is told.
    """
    leaving = {row.id for row in going if not _is_upload(row)}
    uploads = {row.sha256 for row in going if _is_upload(row)}
    used, of_leaving = _Used(), {}
    for row in rows:
        its = _used([row])
        its.jobs &= leaving
        its.uploads &= uploads
        if row.id in leaving:
            of_leaving[row.id] = its
        else:
            used.add(its)
    waiting = set(used.jobs)
    while waiting:
        leaving -= waiting
        more = _Used()
        for each in waiting:
            more.add(of_leaving.get(each, _Used()))
        used.add(more)
        waiting = more.jobs & leaving
    return used


def _is_upload(row: JobRow) -> bool:
    return "sha256" in row._fields
