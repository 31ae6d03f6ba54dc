"""Every statement by which jobs and uploads are forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, select

from kotta_service.store import holdings, schema
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.store.schema import dependencies, jobs, outputs, submissions, uploads

_OF_JOBS = (
    schema.transitions,
    schema.tags,
    schema.outputs,
    schema.shares,
    schema.shared_inputs,
)


def all_jobs(connection: Connection, after: int = 0) -> Iterator[JobRow]:
    """Each job of a higher number: number, id, owner, attempt, status, ended_at, inputs."""
    statement = select(
        jobs.c.number,
        jobs.c.id,
        jobs.c.owner,
        jobs.c.attempt,
        jobs.c.status,
        jobs.c.ended_at,
        jobs.c.description["inputs"].label("inputs"),
    ).where(jobs.c.number > after)
    yield from connection.execute(statement.order_by(jobs.c.number))


def output_bytes(connection: Connection) -> dict[int, int]:
    """What each job's outputs hold together, by the job's number."""
    statement = (
        select(outputs.c.job_number, func.sum(outputs.c.size_bytes))
        .where(outputs.c.available)
        .group_by(outputs.c.job_number)
    )
    return {number: int(count or 0) for number, count in connection.execute(statement)}


def needed_numbers(connection: Connection) -> set[int]:
    """Numbers of the jobs that jobs which have not ended were to come after."""
    statement = (
        select(dependencies.c.needed_number)
        .join(jobs, jobs.c.number == dependencies.c.job_number)
        .where(jobs.c.ended_at.is_(None))
    )
    return set(connection.execute(statement).scalars())


def named_contents(connection: Connection) -> set[str]:
    """SHA-256 of what names of the first clients stand for."""
    return set(connection.execute(select(schema.named_uploads.c.sha256)).scalars())


def has_upload(connection: Connection, sha256: str, owner: str | None = None) -> bool:
    """Whether these contents are anybody's; with an owner, whether they are that one's."""
    known = exists().where(uploads.c.sha256 == sha256)
    if owner is not None:
        known = known.where(uploads.c.owner == owner)
    return bool(connection.execute(select(known)).scalar())


def forget_jobs(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Removes jobs that have ended, and all that belongs to them; 500 at most."""
    connection = transaction.connection
    held = (
        select(jobs.c.owner, func.sum(outputs.c.size_bytes))
        .join(outputs, outputs.c.job_number == jobs.c.number)
        .where(jobs.c.number.in_(numbers), outputs.c.available)
        .group_by(jobs.c.owner)
    )
    for owner, count in list(connection.execute(held)):
        holdings.grow(transaction, owner, -int(count or 0))
    for table in _OF_JOBS:
        number: Any = table.c.job_number
        connection.execute(delete(table).where(number.in_(numbers)))
    for side in (dependencies.c.needed_number, dependencies.c.job_number):
        connection.execute(delete(dependencies).where(side.in_(numbers)))
    connection.execute(delete(jobs).where(jobs.c.number.in_(numbers)))
    first, count = submissions.c.first_number, submissions.c.job_count
    has_some = exists().where(and_(jobs.c.number >= first, jobs.c.number < first + count))
    within = and_(first <= max(numbers), first + count > min(numbers))
    connection.execute(delete(submissions).where(within, ~has_some))


def forget_uploads(transaction: Transaction, rows: Sequence[JobRow]) -> None:
    """Removes uploads (owner, sha256, size_bytes)."""
    for row in rows:
        known = uploads.c.owner == row.owner, uploads.c.sha256 == row.sha256
        if transaction.connection.execute(delete(uploads).where(*known)).rowcount:
            holdings.grow(transaction, row.owner, -row.size_bytes)
