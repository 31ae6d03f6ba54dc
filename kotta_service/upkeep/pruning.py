"""Forgets what ended long ago, or longest ago where there is too much: jobs, outputs, uploads.

Never what has not ended, nor what something that stays refers to: a job's outputs that are another
one's inputs, a job that another is to come after, an upload that is an input. Rows go first, then
files: what is interrupted leaves files that nobody refers to, which the next round removes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from kotta.models.upkeep import PruneReport
from kotta_service.storage import Storage
from kotta_service.storage.files import remove_path
from kotta_service.store import pruning as store
from kotta_service.store import whole
from kotta_service.store.database import Database, Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.upkeep.checking import leftovers
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
            leftovers=len(left),
            freed_bytes=plan.freed_bytes,
            kept_as_needed=plan.kept_as_needed,
        )

    def _planned(self, connection: Connection) -> _Plan:
        rows = list(store.all_jobs(connection))
        sizes = store.output_bytes(connection)
        uploads = list(whole.uploads(connection))
        used = _used([row for row in rows if row.ended_at is None])
        used_uploads = used.uploads | store.named_contents(connection)
        old = time.time() - YOUNG_SECONDS
        # what has no end, or is needed by what has none, is never asked about
        aged: list[tuple[float, int, JobRow]] = [
            (row.ended_at, sizes.get(row.number, 0), row) for row in rows if row.ended_at
        ]
        aged += [
            (row.uploaded_at, row.size_bytes, row)
            for row in uploads
            if row.sha256 not in used_uploads and row.uploaded_at < old
        ]
        # on disk the same contents lie there once, whosever they are
        apart = self._storage.is_direct
        kept = {(row.owner if apart else "", row.sha256): row.size_bytes for row in uploads}
        held = sum(sizes.values()) + sum(kept.values())
        going = self._going(aged, held)
        stay = _used_by_others(rows, going)
        needed = used.jobs | stay.jobs
        numbers = store.needed_numbers(connection)
        plan = _Plan(last_number=max((row.number for row in rows), default=0))
        for size, row in going:
            is_upload = hasattr(row, "sha256")
            if is_upload and row.sha256 in stay.uploads:
                plan.kept_as_needed += 1
            elif is_upload:
                plan.uploads.append(row)
                plan.freed_bytes += size
            elif row.id in needed or row.number in numbers:
                plan.kept_as_needed += 1
            else:
                plan.jobs.append(row)
                plan.freed_bytes += size
        return plan

    def _going(self, aged: list[tuple[float, int, JobRow]], held: int) -> list[tuple[int, JobRow]]:
        """Oldest first, with the bytes of each."""
        going = []
        before, most = self._terms.before, self._terms.storage_bytes
        for at, size, row in sorted(aged, key=lambda each: each[0]):
            is_old = before is not None and at < before
            is_beyond = most is not None and held > most and size > 0
            if is_old or is_beyond:
                going.append((size, row))
                held -= size
        return going

    def _forget(self, rows: Sequence[JobRow], last_number: int) -> None:
        def action(transaction: Transaction) -> list[JobRow]:
            # submissions since the plan was made may refer to some
            news = _used(store.all_jobs(transaction.connection, after=last_number))
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
            news = _used(store.all_jobs(transaction.connection, after=plan.last_number))
            gone = [row for row in plan.uploads if row.sha256 not in news.uploads]
            store.forget_uploads(transaction, gone)
            return gone

        before = time.time() - YOUNG_SECONDS
        for row in self._database.write(action).result():
            is_wanted = partial(self._is_wanted, row.owner, row.sha256)
            self._storage.forget_upload(row.owner, row.sha256, before, is_wanted)

    def _is_wanted(self, owner: str, sha256: str) -> bool:
        # where each owner's lie by themselves, others' are of no matter
        of_whom = owner if self._storage.is_direct else None
        with self._database.read() as connection:
            return store.has_upload(connection, sha256, of_whom)


@dataclass
class _Used:
    """What jobs have as inputs: ids of jobs, SHA-256 of uploads."""

    jobs: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)


def _used(rows: Iterable[JobRow]) -> _Used:
    used = _Used()
    for row in rows:
        for url in row.inputs or ():
            if url.startswith(_JOB):
                used.jobs.add(url[len(_JOB) :].partition("/")[0])
            elif url.startswith(_UPLOAD):
                used.uploads.add(url[len(_UPLOAD) :].partition("/")[0])
    return used


def _used_by_others(rows: Sequence[JobRow], going: Sequence[tuple[int, JobRow]]) -> _Used:
    """What jobs that stay have as inputs; of what was to go, what those need stays as well."""
    leaving = {row.id for _, row in going if hasattr(row, "ended_at")}
    used = _used(row for row in rows if row.id not in leaving)
    waiting = used.jobs & leaving
    by_id = {row.id: row for row in rows}
    while waiting:
        leaving -= waiting
        more = _used(by_id[each] for each in waiting)
        used = _Used(used.jobs | more.jobs, used.uploads | more.uploads)
        waiting = more.jobs & leaving
    return used
