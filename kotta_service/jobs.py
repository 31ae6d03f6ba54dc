"""The rules of a job's life: how it moves from one state to the next.

Every change of a job's state in the whole service is made by a function here, inside a transaction
it is given; they come to be in `submission`. SQL lies in `store.jobs`; what starts and watches
runners is the dispatcher.

::

    pending ─▶ staging_inputs ─▶ processing ─▶ staging_outputs ─▶ completed | failed | cancelled
       │  ▲           │               │               │
       │  └───────────┴── lost, and ──┴───────────────┘
       ▼                  retries left
    cancelled

A job that was handed to an engine with a queue of its own, such as Slurm, is pending until a runner
begins with its next attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from kotta.errors import ConflictError, NotFoundError
from kotta_service.executors import Verdict
from kotta_service.messages import ExitRecord, RunnerReport
from kotta_service.store import holdings
from kotta_service.store import jobs as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow, Step
from kotta_service.store.queues import is_placed, placed_attempt
from kotta_service.store.visibility import Whose

TERMINAL = frozenset(store.TERMINAL)
QUICK_SECONDS = 0.25
"""Where jobs end within it, the next ones are with the launcher before there is room for them."""
_PHASES = ("staging_inputs", "processing", "staging_outputs")


def cancel_many(
    transaction: Transaction, whose: Whose, ids: Sequence[str], now: float
) -> list[str]:
    """Asks for the end of all of these that have not ended yet, in the order of submission.

    Args:
        whose: the jobs that the caller may end.

    Returns:
        Ids of those that run and have to be told.

    Raises:
        NotFoundError: one does not exist among those; nothing was done.
    """
    rows = store.by_ids(transaction.connection, list(dict.fromkeys(ids)), whose)
    for job_id in ids:
        if job_id not in rows:
            raise _no_job(job_id)
    running = []
    for row in sorted(rows.values(), key=lambda row: int(row.number)):
        # the cancellation of one may have ended those that come after it
        fresh = store.summary_by_id(transaction.connection, row.id)
        if fresh is not None and _asked_to_end(transaction, fresh, now):
            running.append(row.id)
    return running


def cancel(transaction: Transaction, whose: Whose, job_id: str, now: float) -> JobRow:
    """Ends a pending job at once, asks for the end of a running one; twice is the same as once.

    Raises:
        NotFoundError: no such job among those that the caller may end.
        ConflictError: it has ended by itself (`already_ended`).
    """
    row = known_job(transaction.connection, job_id, whose)
    _asked_to_end(transaction, row, now)
    if row.status in TERMINAL - {"cancelled"}:
        raise ConflictError(
            f"job {job_id} has {row.status} already",
            hint=f"kotta status {job_id}",
            code="already_ended",
        )
    return known_job(transaction.connection, job_id, whose)


def _asked_to_end(transaction: Transaction, row: JobRow, now: float) -> bool:
    """Ends it if it is pending; True if an executor has it, and has to be told."""
    if row.status == "pending" and not is_placed(row):
        _end(transaction, row, Step("cancelled", now, row.attempt), reason="user",
             ended_at=now, cancel_requested_at=now)  # fmt: skip
    elif is_placed(row) and row.cancel_requested_at is None:
        store.change(transaction, row.number, [], cancel_requested_at=now)
    return is_placed(row)


def _end(transaction: Transaction, row: JobRow, *steps: Step, **values: object) -> None:
    """Makes a job terminal by the last of these steps, and settles those that come after it."""
    store.change(transaction, row.number, steps, **values)
    if not row.is_needed:
        return
    ended = [(row, steps[-1])]
    while ended:
        needed, step = ended.pop()
        for other in store.needing(transaction.connection, needed.number):
            if step.status == "completed":
                store.need_one_less(transaction, other.number)
                transaction.needs_assignment = True
                continue
            end = Step("cancelled", step.at, other.attempt)
            store.change(
                transaction,
                other.number,
                [end],
                reason="dependency",
                error=f"job {needed.id} ({needed.name}), which it was to come after, "
                + ("has failed" if step.status == "failed" else "was cancelled"),
                ended_at=step.at,
            )
            if other.is_needed:
                ended.append((other, end))


def report(transaction: Transaction, message: RunnerReport) -> bool:
    """Takes in what a runner says of its attempt.

    Returns:
        Whether it should cancel.

    Raises:
        NotFoundError: no such job.
        ConflictError: the job has ended, or is at another attempt (`conflict`).
    """
    row = store.summary_by_id(transaction.connection, message.job_id)
    if row is None:
        raise NotFoundError(f"there is no job {message.job_id}")
    if not is_placed(row) or placed_attempt(row) != message.attempt:
        raise ConflictError(f"attempt {message.attempt} of job {message.job_id} is over")
    if message.record is not None:
        finish(transaction, row, message.record)
        return False
    advance(transaction, row, message.timeline)
    return row.cancel_requested_at is not None


def begin(transaction: Transaction, row: JobRow, at: float) -> None:
    """Records that a job has begun which the launcher held.

    It may have been taken for begun a moment after it was: its launch was sent once more then.
    """
    if row.status == "pending":
        advance(transaction, row, {"staging_inputs": at})
    elif row.status == "staging_inputs":
        store.begun_before(transaction, row, at)


def advance(transaction: Transaction, row: JobRow, timeline: Mapping[str, float]) -> None:
    """Records the phases that a running job has entered since it was last heard of."""
    steps = _new_phases(row, timeline)
    if steps:
        store.change(
            transaction,
            row.number,
            steps,
            attempt=steps[-1].attempt,
            started_at=timeline.get("processing", row.started_at),
        )
        # its cores are free: see `queues.loads`
        transaction.needs_assignment |= steps[-1].status == "staging_outputs"


def finish(transaction: Transaction, row: JobRow, record: ExitRecord) -> None:
    """Makes a running job terminal as its exit record says, outputs and all, in one step."""
    ended = record.timeline.get("ended") or max(record.timeline.values(), default=row.submitted_at)
    attempt = placed_attempt(row)
    steps = [*_new_phases(row, record.timeline), Step(record.status, ended, attempt)]
    _end(
        transaction,
        row,
        *steps,
        attempt=attempt,
        reason=record.reason,
        exit_code=record.exit_code,
        signal=record.signal,
        error=record.words,
        started_at=record.timeline.get("processing"),
        ended_at=ended,
        staging_inputs_seconds=record.staging_inputs_seconds,
        processing_seconds=record.processing_seconds,
        staging_outputs_seconds=record.staging_outputs_seconds,
        cpu_seconds=record.cpu_seconds,
        peak_memory_bytes=record.peak_memory_bytes,
        result=record.result.model_dump() if record.result else None,
    )
    files = [output.model_dump() for output in record.outputs]
    store.keep_outputs(transaction, row.number, attempt, files)
    if (record.processing_seconds or 0) < QUICK_SECONDS:
        transaction.quick_queues.add(row.queue)
    kept_bytes = sum(output.size_bytes or 0 for output in record.outputs if output.available)
    holdings.grow(transaction, row.owner, kept_bytes)
    transaction.needs_assignment = True


def lose(transaction: Transaction, row: JobRow, now: float, words: str = "") -> None:
    """Makes a job whose runner is gone without a record `failed`, or pending if it may retry.

    Args:
        words: what is known of how that came.
    """
    if row.cancel_requested_at is not None:
        drop(transaction, row, now)
        return
    transaction.needs_assignment = True
    attempt = placed_attempt(row)
    # an engine had it, and what became of that attempt is all that is known of it
    begun = [Step("staging_inputs", now, attempt)] if row.status == "pending" else []
    if may_retry(row):
        store.change(
            transaction,
            row.number,
            [*begun, Step("pending", now, attempt)],
            attempt=attempt,
            started_at=None,
            handed_over_at=None,
        )
        return
    _end(
        transaction,
        row,
        *begun,
        Step("failed", now, attempt),
        attempt=attempt,
        reason="lost",
        error=words
        or "what ran this job is gone without a word; it may have done part of its work",
        ended_at=now,
    )


def may_retry(row: JobRow) -> bool:
    """Whether a placed job that is lost is tried again."""
    return row.cancel_requested_at is None and placed_attempt(row) <= int(row.retries)


def settle(transaction: Transaction, row: JobRow, verdict: Verdict, now: float) -> None:
    """Ends a job of whose end an engine knows, and its runner could not tell."""
    if row.cancel_requested_at is not None:
        drop(transaction, row, now)
        return
    _end(
        transaction,
        row,
        Step(verdict.status, now, row.attempt),
        reason=verdict.reason,
        error=verdict.words,
        ended_at=now,
    )
    transaction.needs_assignment = True


def drop(transaction: Transaction, row: JobRow, now: float) -> None:
    """Makes a job of which nothing runs any more `cancelled`."""
    _end(
        transaction,
        row,
        Step("cancelled", now, row.attempt),
        reason="user",
        ended_at=now,
    )
    transaction.needs_assignment = True


def refuse(transaction: Transaction, row: JobRow, error: str, now: float) -> None:
    """Makes a job `failed` whose inputs cannot be had any more."""
    _end(
        transaction,
        row,
        Step("failed", now, row.attempt),
        reason="staging",
        error=error,
        ended_at=now,
    )


def known_job(connection: Connection, job_id: str, whose: Whose) -> JobRow:
    """A job with every column.

    Raises:
        NotFoundError: there is none of that id among those of `whose`.
    """
    row = store.by_id(connection, job_id, whose)
    if row is None:
        raise _no_job(job_id)
    return row


def attempt_of(row: JobRow, asked: int) -> int:
    """The attempt of a job that is asked for, 0 meaning its latest.

    Raises:
        NotFoundError: the job has not come to it.
    """
    if asked > row.attempt:
        raise NotFoundError(
            f"job {row.id} has no attempt {asked}: it is at {row.attempt}",
            hint=f"kotta status {row.id}",
        )
    return asked or int(row.attempt)


def _no_job(job_id: str) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id}", hint="kotta list shows your jobs")


def _new_phases(row: JobRow, timeline: Mapping[str, float]) -> list[Step]:
    reached = -1 if row.status == "pending" else _PHASES.index(row.status)
    attempt = placed_attempt(row)
    return [
        Step(phase, timeline[phase], attempt)
        for phase in _PHASES[reached + 1 :]
        if phase in timeline
    ]
