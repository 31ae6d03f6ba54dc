"""Every statement about jobs: what is asked of the database, and nothing of why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from typing_extensions import Unpack

from kotta_service.store.database import Transaction
from kotta_service.store.glob import Glob
from kotta_service.store.schema import (
    counters,
    dependencies,
    jobs,
    outputs,
    submissions,
    tags,
    transitions,
)
from kotta_service.store.visibility import Whose

JobRow: TypeAlias = "Row[Unpack[tuple[Any, ...]]]"

SUMMARY = (
    jobs.c.number,
    jobs.c.id,
    jobs.c.owner,
    jobs.c.name,
    jobs.c.status,
    jobs.c.reason,
    jobs.c.queue,
    jobs.c.jobtype,
    jobs.c.tags,
    jobs.c.cpus,
    jobs.c.memory_mib,
    jobs.c.walltime_seconds,
    jobs.c.retries,
    jobs.c.attempt,
    jobs.c.array,
    jobs.c.array_index,
    jobs.c.waits_for,
    jobs.c.is_needed,
    jobs.c.change,
    jobs.c.submitted_at,
    jobs.c.started_at,
    jobs.c.ended_at,
    jobs.c.cancel_requested_at,
    jobs.c.handed_over_at,
    jobs.c.exit_code,
    jobs.c.signal,
    jobs.c.error,
)
ACTIVE = ("staging_inputs", "processing", "staging_outputs")
TERMINAL = ("completed", "failed", "cancelled")
# Statements that every job takes are built once: building one costs as much as running it.
_BY_ID = select(jobs).where(jobs.c.id == bindparam("job_id"))
_SUMMARY_BY_ID = select(*SUMMARY).where(jobs.c.id == bindparam("job_id"))
_CHANGE = update(jobs).where(jobs.c.number == bindparam("job_number"))
_ADD_TRANSITION = insert(transitions)
_ADD_OUTPUT = insert(outputs)
_START_ATTEMPT = (
    update(jobs)
    .where(jobs.c.number == bindparam("job_number"))
    .values(
        status="staging_inputs",
        change=bindparam("change"),
        attempt=bindparam("attempt"),
        started_at=None,
    )
)
_PENDING_IN = (
    select(jobs)
    .where(
        jobs.c.status == "pending",
        jobs.c.queue == bindparam("queue_name"),
        jobs.c.handed_over_at.is_(None),
        jobs.c.waits_for == 0,
    )
    .order_by(jobs.c.number)
    .limit(bindparam("most", type_=Integer))
)
_ANYTHING_WAITS = (
    select(literal(1))
    .where(jobs.c.status == "pending", jobs.c.handed_over_at.is_(None), jobs.c.waits_for == 0)
    .limit(1)
)
_HOLDS = jobs.c.status != "staging_outputs"
"""What is over, but for keeping what it made, needs neither its cores nor its memory any more."""
_LOADS = (
    select(
        jobs.c.queue,
        func.count(),
        func.sum(case((_HOLDS, jobs.c.cpus), else_=0)),
        func.sum(case((_HOLDS, jobs.c.memory_mib), else_=0)),
    )
    .where(jobs.c.status.in_(ACTIVE))
    .group_by(jobs.c.queue)
)
_HANDED_OVER = (jobs.c.status == "pending", jobs.c.handed_over_at.is_not(None))
"""What waits in an engine's own queue."""
_HAND_OVER = (
    update(jobs)
    .where(jobs.c.number == bindparam("job_number"))
    .values(handed_over_at=bindparam("at"))
)
_WATCHED = select(
    jobs.c.id,
    jobs.c.queue,
    jobs.c.status,
    jobs.c.attempt,
    jobs.c.handed_over_at,
    jobs.c.cancel_requested_at,
)
_ADD_JOBS = insert(jobs)
_ADD_ONE = _ADD_JOBS.returning(*SUMMARY)
_BY_NUMBERS = (
    select(*SUMMARY)
    .where(jobs.c.number >= bindparam("first"), jobs.c.number < bindparam("behind"))
    .order_by(jobs.c.number)
)
_SUBMISSION = select(submissions).where(
    submissions.c.owner == bindparam("owner"), submissions.c.key == bindparam("key")
)
_KEEP_SUBMISSION = insert(submissions)
MANY_IDS = 500
"""How many values one statement compares with."""


@dataclass(frozen=True)
class Step:
    """One transition to be recorded: the state entered, when, and in which attempt."""

    status: str
    at: float
    attempt: int


@dataclass(frozen=True)
class Load:
    """What a queue's running jobs use, how many wait, and how many of those for other jobs."""

    running: int = 0
    cpus: int = 0
    memory_mib: int = 0
    pending: int = 0
    pending_after: int = 0


@dataclass(frozen=True)
class OwnerLoad:
    """What runs of a user's jobs, in all queues, and how many wait.

    What waits in an engine's own queue counts as both: it may start at any moment.
    """

    running: int = 0
    cpus: int = 0
    pending: int = 0


def add(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> list[JobRow]:
    """Adds pending jobs in one go, each with its number, change and first transition."""
    number = transaction.take_numbers("job", len(rows))
    change = transaction.take_numbers("change", len(rows))
    values = [
        {**row, "number": number + i, "change": change + i, "status": "pending", "attempt": 0}
        for i, row in enumerate(rows)
    ]
    # one row comes back from where it was put; of many, as many statements would be made of it
    is_one = len(values) == 1
    added = transaction.connection.execute(_ADD_ONE if is_one else _ADD_JOBS, values)
    words = [
        {"owner": row["owner"], "tag": tag, "job_number": row["number"]}
        for row in values
        for tag in dict.fromkeys(row["tags"])
    ]
    if words:
        transaction.connection.execute(insert(tags), words)
    transaction.insert_last(
        _ADD_TRANSITION,
        [
            {
                "change": row["change"],
                "job_number": row["number"],
                "status": "pending",
                "at": row["submitted_at"],
                "attempt": 0,
            }
            for row in values
        ],
    )
    return list(added) if is_one else by_numbers(transaction.connection, number, len(rows))


def by_numbers(connection: Connection, first: int, count: int) -> list[JobRow]:
    """Jobs numbered from `first` on, `count` of them, in that order."""
    return list(connection.execute(_BY_NUMBERS, {"first": first, "behind": first + count}))


def by_id(connection: Connection, job_id: str, whose: Whose) -> JobRow | None:
    """One job with every column, None if there is none among these.

    A job that is not among them is not read: how long that takes would tell that it exists.
    """
    return connection.execute(_by_id_of(whose), {"job_id": job_id}).one_or_none()


def summary_by_id(connection: Connection, job_id: str) -> JobRow | None:
    """One job without its description and result, None if there is none."""
    return connection.execute(_SUMMARY_BY_ID, {"job_id": job_id}).one_or_none()


def change(transaction: Transaction, number: int, steps: Sequence[Step], **values: Any) -> None:
    """Sets columns of one job and records the transitions; the last one is its status."""
    first = transaction.take_numbers("change", max(1, len(steps)))
    last = first + max(1, len(steps)) - 1
    if steps:
        values["status"] = steps[-1].status
        transaction.ends_jobs = transaction.ends_jobs or steps[-1].status in TERMINAL
        transaction.insert_last(
            _ADD_TRANSITION,
            [
                {
                    "change": first + i,
                    "job_number": number,
                    "status": step.status,
                    "at": step.at,
                    "attempt": step.attempt,
                }
                for i, step in enumerate(steps)
            ],
        )
    # the names of the values are the statement's key in SQLAlchemy's cache: few ways to call this
    transaction.connection.execute(_CHANGE, {**values, "job_number": number, "change": last})


def start_attempts(transaction: Transaction, rows: Sequence[JobRow], at: float) -> None:
    """Moves pending jobs into the first phase of their next attempt."""
    first = transaction.take_numbers("change", len(rows))
    values = [
        {"job_number": row.number, "change": first + i, "attempt": row.attempt + 1}
        for i, row in enumerate(rows)
    ]
    transaction.connection.execute(_START_ATTEMPT, values)
    transaction.insert_last(
        _ADD_TRANSITION, [{**row, "status": "staging_inputs", "at": at} for row in values]
    )


def keep_outputs(
    transaction: Transaction, number: int, attempt: int, files: Iterable[dict[str, Any]]
) -> None:
    """Records the manifest of a job's final attempt."""
    rows = [
        {**file, "job_number": number, "attempt": attempt, "position": position}
        for position, file in enumerate(files)
    ]
    if rows:
        transaction.connection.execute(_ADD_OUTPUT, rows)


def need(transaction: Transaction, number: int, needed: Sequence[int]) -> None:
    """Has a job wait until jobs of these numbers have completed."""
    transaction.connection.execute(
        insert(dependencies),
        [{"needed_number": other, "job_number": number} for other in needed],
    )
    transaction.connection.execute(
        update(jobs).where(jobs.c.number.in_(needed)).values(is_needed=True)
    )


def needing(connection: Connection, number: int) -> list[JobRow]:
    """Pending jobs that wait for the job of this number."""
    return list(
        connection.execute(
            select(*SUMMARY)
            .join(dependencies, dependencies.c.job_number == jobs.c.number)
            .where(dependencies.c.needed_number == number, jobs.c.status == "pending")
            .order_by(jobs.c.number)
        )
    )


def needed_by(connection: Connection, number: int, limit: int) -> list[JobRow]:
    """Jobs that the job of this number waits for, which have not completed."""
    return list(
        connection.execute(
            select(*SUMMARY)
            .join(dependencies, dependencies.c.needed_number == jobs.c.number)
            .where(dependencies.c.job_number == number, jobs.c.status != "completed")
            .order_by(jobs.c.number)
            .limit(limit)
        )
    )


def need_one_less(transaction: Transaction, number: int) -> None:
    """One of the jobs that this one waits for has completed."""
    number_of_change = transaction.take_numbers("change", 1)
    transaction.connection.execute(
        update(jobs)
        .where(jobs.c.number == number)
        .values(waits_for=jobs.c.waits_for - 1, change=number_of_change)
    )


def by_ids(connection: Connection, ids: Sequence[str], whose: Whose) -> dict[str, JobRow]:
    """Those of these jobs that are among those of `whose`, by id."""
    found: dict[str, JobRow] = {}
    for start in range(0, len(ids), MANY_IDS):
        part = ids[start : start + MANY_IDS]
        statement = select(*SUMMARY).where(jobs.c.id.in_(part), whose)
        found.update((row.id, row) for row in connection.execute(statement))
    return found


def outputs_of(connection: Connection, number: int) -> list[JobRow]:
    statement = select(outputs).where(outputs.c.job_number == number).order_by(outputs.c.position)
    return list(connection.execute(statement))


def output(connection: Connection, job_id: str, name: str, whose: Whose) -> JobRow | None:
    """One available output file (name, attempt, size_bytes, sha256), None if there is none."""
    statement = (
        select(outputs)
        .join(jobs, jobs.c.number == outputs.c.job_number)
        .where(jobs.c.id == job_id, whose, outputs.c.name == name)
        .where(outputs.c.available)
    )
    return connection.execute(statement).one_or_none()


def available_outputs(connection: Connection, number: int, names: Sequence[str]) -> list[JobRow]:
    """Those of these files of a job that it has made (name, attempt, size_bytes, sha256)."""
    statement = (
        select(outputs)
        .where(outputs.c.job_number == number, outputs.c.available)
        .where(outputs.c.name.in_(names))
    )
    return list(connection.execute(statement))


def transitions_of(connection: Connection, number: int) -> list[JobRow]:
    statement = (
        select(transitions.c.status, transitions.c.at, transitions.c.attempt)
        .where(transitions.c.job_number == number)
        .order_by(transitions.c.change)
    )
    return list(connection.execute(statement))


def page(
    connection: Connection,
    whose: Whose,
    *,
    statuses: Sequence[str] = (),
    queue: str | None = None,
    name: str | None = None,
    tag: str | None = None,
    array: str | None = None,
    since: float | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[JobRow]:
    """Jobs of `whose`, newest first, of number less than `before`; `name` is a glob."""
    statement = select(*SUMMARY).where(whose)
    if tag is not None:
        statement = statement.join(tags, tags.c.job_number == jobs.c.number).where(
            tags.c.owner == jobs.c.owner, tags.c.tag == tag
        )
    if array is not None:
        statement = statement.where(jobs.c.array == array)
    if since is not None:
        statement = statement.where(jobs.c.submitted_at >= since)
    if statuses:
        statement = statement.where(jobs.c.status.in_(statuses))
    if queue is not None:
        statement = statement.where(jobs.c.queue == queue)
    if name is not None:
        statement = statement.where(_name_is(name))
    if before is not None:
        statement = statement.where(jobs.c.number < before)
    return list(connection.execute(statement.order_by(jobs.c.number.desc()).limit(limit)))


def nth_newest(connection: Connection, whose: Whose, place: int) -> list[JobRow]:
    """The newest job for 1, the one before it for 2; empty if there are not so many."""
    statement = select(*SUMMARY).where(whose).order_by(jobs.c.number.desc())
    return list(connection.execute(statement.offset(place - 1).limit(1)))


def beginning_with(connection: Connection, whose: Whose, prefix: str, limit: int) -> list[JobRow]:
    """Jobs whose id begins so, newest first."""
    # ids that begin so sort between the prefix and the prefix with what follows any hex digit
    within = (
        select(*SUMMARY)
        .where(whose, jobs.c.id >= prefix, jobs.c.id < prefix + "g")
        .order_by(jobs.c.id)  # by anything else, SQLite would read every job of the owner
        .limit(limit)
    )
    return sorted(connection.execute(within), key=lambda row: row.number, reverse=True)


def arrays_beginning_with(
    connection: Connection, whose: Whose, prefix: str, limit: int
) -> list[JobRow]:
    """The first job of each array whose id begins so."""
    ids = (
        select(jobs.c.array)
        .where(whose, jobs.c.array >= prefix, jobs.c.array < prefix + "g")
        .distinct()
        .limit(limit)
    )
    found = list(connection.execute(ids).scalars())
    if not found:
        return []
    firsts = (
        select(*SUMMARY)
        .where(whose, jobs.c.array.in_(found), jobs.c.array_index == 0)
        .order_by(jobs.c.number.desc())
    )
    return list(connection.execute(firsts))


def called(connection: Connection, whose: Whose, name: str, limit: int) -> list[JobRow]:
    """Jobs of exactly this name, newest first."""
    statement = (
        select(*SUMMARY)
        .where(whose, jobs.c.name == name)
        .order_by(jobs.c.number.desc())
        .limit(limit)
    )
    return list(connection.execute(statement))


def ahead_of(connection: Connection, row: JobRow) -> int:
    """How many jobs wait before this one in its queue, not counting those that need others."""
    statement = select(func.count()).where(
        jobs.c.status == "pending",
        jobs.c.queue == row.queue,
        jobs.c.number < row.number,
        jobs.c.waits_for == 0,
    )
    return int(connection.execute(statement).scalar_one())


def running_in(connection: Connection, queue: str, owner: str, limit: int) -> list[JobRow]:
    """The owner's jobs that run in a queue, longest-running first."""
    statement = (
        select(*SUMMARY)
        .where(jobs.c.status.in_(ACTIVE), jobs.c.queue == queue, jobs.c.owner == owner)
        .order_by(jobs.c.number)
        .limit(limit)
    )
    return list(connection.execute(statement))


def pending_in(
    connection: Connection,
    queue: str,
    limit: int,
    *,
    after: int = 0,
    without: Collection[str] = (),
) -> list[JobRow]:
    """The longest-waiting jobs of a queue that wait for no other job, all columns.

    Args:
        after: only jobs of a higher number.
        without: users whose jobs are left out.
    """
    statement = _PENDING_IN
    if after:
        statement = statement.where(jobs.c.number > after)
    if without:
        statement = statement.where(jobs.c.owner.not_in(without))
    return list(connection.execute(statement, {"queue_name": queue, "most": limit}))


def anything_waits(connection: Connection) -> bool:
    """Whether there is a job that waits for room alone."""
    return connection.execute(_ANYTHING_WAITS).first() is not None


def load_of(connection: Connection, owner: str) -> OwnerLoad:
    """What runs and waits of a user's jobs."""
    # each expression once, named twice: two alike would be two to PostgreSQL
    waits, is_elsewhere = jobs.c.status == "pending", jobs.c.handed_over_at.is_not(None)
    open_ones = (
        select(waits, is_elsewhere, func.count(), func.sum(jobs.c.cpus))
        .where(jobs.c.owner == owner, jobs.c.status.in_(("pending", *ACTIVE)))
        .group_by(waits, is_elsewhere)
    )
    found = OwnerLoad()
    for is_pending, is_handed_over, count, cpus in connection.execute(open_ones):
        if is_pending:
            found = replace(found, pending=found.pending + count)
        if is_handed_over or not is_pending:
            found = replace(found, running=found.running + count, cpus=found.cpus + int(cpus))
    return found


def loads_by_owner(connection: Connection) -> dict[str, OwnerLoad]:
    """What runs of each user's jobs."""
    statement = (
        select(jobs.c.owner, func.count(), func.sum(jobs.c.cpus))
        .where(or_(jobs.c.status.in_(ACTIVE), and_(*_HANDED_OVER)))
        .group_by(jobs.c.owner)
    )
    return {
        owner: OwnerLoad(count, int(cpus)) for owner, count, cpus in connection.execute(statement)
    }


def loads(connection: Connection, *, with_pending: bool = False) -> dict[str, Load]:
    """What runs in each queue, and with `with_pending` how many wait."""
    found: dict[str, Load] = {}
    for queue, running, cpus, memory_mib in connection.execute(_LOADS):
        found[queue] = Load(running, int(cpus), int(memory_mib))
    if with_pending:
        waits = jobs.c.waits_for > 0  # once, as in load_of
        waiting = (
            select(jobs.c.queue, waits, func.count())
            .where(jobs.c.status == "pending")
            .group_by(jobs.c.queue, waits)
        )
        for queue, is_after, count in connection.execute(waiting):
            known = found.get(queue, Load())
            found[queue] = replace(
                known,
                pending=known.pending + count,
                pending_after=known.pending_after + (count if is_after else 0),
            )
    return found


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """How many jobs there are, by queue and state."""
    statement = select(jobs.c.queue, jobs.c.status, func.count()).group_by(
        jobs.c.queue, jobs.c.status
    )
    return {(queue, status): count for queue, status, count in connection.execute(statement)}


def last_number(connection: Connection) -> int:
    """The number of the job that was accepted last, 0 if none was."""
    statement = select(counters.c.value).where(counters.c.name == "job")
    return int(connection.execute(statement).scalar_one_or_none() or 0)


def placed(connection: Connection, queues: Collection[str], *, but: bool = False) -> list[JobRow]:
    """The jobs of queues that have been given to an executor and have not ended, in short.

    There may be ten thousand, and they are asked for in every round.

    Args:
        but: those of all other queues.
    """
    where = jobs.c.queue.not_in(queues) if but else jobs.c.queue.in_(queues)
    running = connection.execute(_WATCHED.where(jobs.c.status.in_(ACTIVE), where))
    return [*running, *connection.execute(_WATCHED.where(*_HANDED_OVER, where))]


def is_placed(row: JobRow) -> bool:
    """Whether a job has been given to an executor and has not ended."""
    return row.status in ACTIVE or (row.status == "pending" and row.handed_over_at is not None)


def placed_attempt(row: JobRow) -> int:
    """Which attempt of a placed job the executor has: the next one, while it is pending."""
    return int(row.attempt) + (1 if row.status == "pending" else 0)


def whole(connection: Connection, job_id: str) -> JobRow | None:
    """One job with every column, whoever's it is; None if there is none."""
    return connection.execute(_BY_ID, {"job_id": job_id}).one_or_none()


def hand_over(transaction: Transaction, rows: Sequence[JobRow], at: float) -> None:
    """Notes that pending jobs are given to an engine that lets them wait; nobody else sees it."""
    values = [{"job_number": row.number, "at": at} for row in rows]
    transaction.connection.execute(_HAND_OVER, values)


def handed_over(connection: Connection, queue: str) -> int:
    """How many jobs of a queue wait in an engine's own."""
    statement = select(func.count()).where(*_HANDED_OVER, jobs.c.queue == queue)
    return int(connection.execute(statement).scalar_one())


def submission(connection: Connection, owner: str, key: str) -> JobRow | None:
    return connection.execute(_SUBMISSION, {"owner": owner, "key": key}).one_or_none()


def keep_submission(transaction: Transaction, **values: Any) -> None:
    transaction.connection.execute(_KEEP_SUBMISSION, values)


@lru_cache(maxsize=256)
def _by_id_of(whose: Whose) -> Select[Unpack[tuple[Any, ...]]]:
    return _BY_ID.where(whose)


def _name_is(glob: str) -> ColumnElement[bool]:
    if not any(sign in glob for sign in "*?"):
        return jobs.c.name == glob
    return Glob(jobs.c.name, glob)
