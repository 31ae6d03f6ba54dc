"""Statements that find jobs by what people say of them: a name, the start of an id, a state.

What a word means is said in `kotta_service.selectors`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, select

from kotta_service.store.glob import Glob
from kotta_service.store.jobs import SUMMARY, JobRow
from kotta_service.store.schema import jobs, tags
from kotta_service.store.visibility import Whose


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
    """The first job that there is of each array whose id begins so."""
    ids = (
        select(jobs.c.array)
        .where(whose, jobs.c.array >= prefix, jobs.c.array < prefix + "g")
        .distinct()
        .limit(limit)
    )
    found = list(connection.execute(ids).scalars())
    if not found:
        return []
    return _firsts(connection, whose, jobs.c.array.in_(found), limit)


def arrays_called(connection: Connection, whose: Whose, name: str, limit: int) -> list[JobRow]:
    """The first job that there is of each array called so: one that ended may be forgotten."""
    firsts = [row for row in called(connection, whose, f"{name}[0]", limit) if row.array]
    if not firsts:
        is_of_it = and_(jobs.c.array.is_not(None), Glob(jobs.c.name, f"{name}[*]"))
        found = _firsts(connection, whose, is_of_it, limit)
        firsts = [row for row in found if row.name == f"{name}[{row.array_index}]"]
    return firsts


def called(connection: Connection, whose: Whose, name: str, limit: int) -> list[JobRow]:
    """Jobs of exactly this name, newest first."""
    statement = (
        select(*SUMMARY)
        .where(whose, jobs.c.name == name)
        .order_by(jobs.c.number.desc())
        .limit(limit)
    )
    return list(connection.execute(statement))


def _firsts(
    connection: Connection, whose: Whose, wanted: ColumnElement[bool], limit: int
) -> list[JobRow]:
    """Of the jobs that are wanted, the first of each array, the newest array first."""
    numbers = (
        select(func.min(jobs.c.number).label("first"))
        .where(whose, wanted)
        .group_by(jobs.c.array)
        .order_by(func.min(jobs.c.number).desc())
        .limit(limit)
        .subquery()
    )
    statement = (
        select(*SUMMARY)
        .where(jobs.c.number.in_(select(numbers.c.first)))
        .order_by(jobs.c.number.desc())
    )
    return list(connection.execute(statement))


def _name_is(glob: str) -> ColumnElement[bool]:
    if not any(sign in glob for sign in "*?"):
        return jobs.c.name == glob
    return Glob(jobs.c.name, glob)
