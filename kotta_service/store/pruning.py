"""Every statement by which jobs and uploads are forgotten."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, exists, func, select

from kotta_service.store import holdings, schema
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.store.schema import dependencies, jobs, outputs, submissions, uploads

Rows = Generator[JobRow, None, None]
"""They come from the database as they are asked for; who asks for no more closes this."""
_BATCH = 200
_OF_JOBS = (
    schema.transitions,
    schema.tags,
    schema.outputs,
    schema.shares,
    schema.shared_inputs,
)


def last_number(connection: Connection) -> int:
    """The number of the latest job, 0 if there is none."""
    return int(connection.execute(select(func.max(jobs.c.number))).scalar() or 0)


def inputs_of(connection: Connection, *, after: int = 0, without_end: bool = False) -> Rows:
    """Of each job of a higher number, or of those alone that have not ended: id, inputs."""
    statement = select(jobs.c.id, jobs.c.description["inputs"].label("inputs"))
    statement = statement.where(jobs.c.number > after)
    if without_end:
        statement = statement.where(jobs.c.ended_at.is_(None))
    return _one_by_one(connection, statement)


def wanted_requirements(connection: Connection) -> set[str]:
    """The requirements of all jobs that have some and have not ended."""
    found = jobs.c.description["requirements"].as_string()
    statement = select(found).where(jobs.c.ended_at.is_(None)).distinct()
    return {text for text in connection.execute(statement).scalars() if text}


def ended_jobs(connection: Connection) -> Rows:
    """Each job that has ended, the longest ago first: number, id, attempt, at, size_bytes.

    Its size is what its outputs hold together.
    """
    held = (
        select(func.coalesce(func.sum(outputs.c.size_bytes), 0))
        .where(outputs.c.job_number == jobs.c.number, outputs.c.available)
        .scalar_subquery()
    )
    ended_at = jobs.c.ended_at.label("at")
    statement = select(jobs.c.number, jobs.c.id, jobs.c.attempt, ended_at, held.label("size_bytes"))
    return _one_by_one(connection, statement.where(ended_at.is_not(None)).order_by(ended_at))


def uploads_by_age(connection: Connection, before: float) -> Rows:
    """What was uploaded before a moment, the oldest first: owner, sha256, at, size_bytes."""
    uploaded_at = uploads.c.uploaded_at.label("at")
    statement = select(uploads.c.owner, uploads.c.sha256, uploaded_at, uploads.c.size_bytes)
    return _one_by_one(connection, statement.where(uploaded_at < before).order_by(uploaded_at))


def held_bytes(connection: Connection, *, apart: bool) -> int:
    """What all outputs and uploads hold.

    Args:
        apart: the same contents lie there once for each owner, and not once for all.
    """
    of_outputs = select(func.sum(outputs.c.size_bytes)).where(outputs.c.available)
    whose = [uploads.c.owner] if apart else []
    contents = select(*whose, uploads.c.sha256, uploads.c.size_bytes).distinct().subquery()
    of_uploads = select(func.sum(contents.c.size_bytes))
    return sum(int(connection.execute(each).scalar() or 0) for each in (of_outputs, of_uploads))


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


def _one_by_one(connection: Connection, statement: Select[Any]) -> Rows:
    with connection.execute(statement.execution_options(yield_per=_BATCH)) as found:
        yield from found


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
