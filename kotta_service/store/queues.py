"""What waits in queues, what runs of them, and what has been given to executors."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import (
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    update,
)

from kotta_service.store.database import Transaction
from kotta_service.store.jobs import ACTIVE, ADD_TRANSITION, SUMMARY, JobRow
from kotta_service.store.schema import jobs

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
        jobs.c.waits_for == 0,
    )
    .order_by(jobs.c.number)
    .limit(bindparam("most", type_=Integer))
)
_NOT_HANDED_OVER_IN = _PENDING_IN.where(jobs.c.handed_over_at.is_(None))
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
        func.min(case((_HOLDS, jobs.c.cpus))),
        func.min(case((_HOLDS, jobs.c.memory_mib))),
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


@dataclass(frozen=True)
class Load:
    """What a queue's running jobs use, how many wait, and how many of those for other jobs.

    Attributes:
        least_cpus, least_memory_mib: of one of those that run, and hold what they asked for.
    """

    running: int = 0
    cpus: int = 0
    memory_mib: int = 0
    least_cpus: float = math.inf
    least_memory_mib: float = math.inf
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


def start_attempts(transaction: Transaction, rows: Sequence[JobRow], at: float) -> None:
    """Moves pending jobs into the first phase of their next attempt."""
    first = transaction.take_numbers("change", len(rows))
    values = [
        {"job_number": row.number, "change": first + i, "attempt": row.attempt + 1}
        for i, row in enumerate(rows)
    ]
    transaction.connection.execute(_START_ATTEMPT, values)
    transaction.insert_last(
        ADD_TRANSITION, [{**row, "status": "staging_inputs", "at": at} for row in values]
    )


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
    with_handed_over: bool = False,
) -> list[JobRow]:
    """The longest-waiting jobs of a queue that wait for no other job, all columns.

    Args:
        after: only jobs of a higher number.
        without: users whose jobs are left out.
        with_handed_over: those as well that an executor has, and has not begun.
    """
    statement = _PENDING_IN if with_handed_over else _NOT_HANDED_OVER_IN
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
    for queue, running, cpus, memory_mib, *least in connection.execute(_LOADS):
        least_cpus, least_memory_mib = (math.inf if each is None else int(each) for each in least)
        found[queue] = Load(running, int(cpus), int(memory_mib), least_cpus, least_memory_mib)
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


def hand_over(transaction: Transaction, rows: Sequence[JobRow], at: float) -> None:
    """Notes that pending jobs are given to an engine that lets them wait; nobody else sees it."""
    values = [{"job_number": row.number, "at": at} for row in rows]
    transaction.connection.execute(_HAND_OVER, values)


def handed_over(connection: Connection, queue: str) -> int:
    """How many jobs of a queue wait in an engine's own."""
    statement = select(func.count()).where(*_HANDED_OVER, jobs.c.queue == queue)
    return int(connection.execute(statement).scalar_one())
