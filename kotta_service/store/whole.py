"""Every row there is, for whoever checks or copies all of it; whose they are does not matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from kotta_service.store import schema
from kotta_service.store.jobs import JobRow

_BATCH = 200


@dataclass(frozen=True)
class WholeJob:
    """A job with all that belongs to it.

    Attributes:
        job: the row with every column.
        steps: its transitions, oldest first.
        outputs: its manifest, in order.
        tags: the words by which it is found.
        open_needs: how many jobs that it was to come after have not completed.
        needed_by: how many jobs were to come after it.
    """

    job: JobRow
    steps: list[JobRow]
    outputs: list[JobRow]
    tags: set[str]
    open_needs: int
    needed_by: int


def jobs(connection: Connection) -> Iterator[WholeJob]:
    """Every job, in the order of submission."""
    last = 0
    while True:
        statement = select(schema.jobs).where(schema.jobs.c.number > last)
        rows = list(connection.execute(statement.order_by(schema.jobs.c.number).limit(_BATCH)))
        if not rows:
            return
        within = (last + 1, rows[-1].number)
        steps = _by_job(connection, schema.transitions, "change", within)
        files = _by_job(connection, schema.outputs, "position", within)
        words = _by_job(connection, schema.tags, "tag", within)
        needs, needed = _open_needs(connection, within), _needed_by(connection, within)
        for row in rows:
            tags = {each.tag for each in words[row.number] if each.owner == row.owner}
            yield WholeJob(
                row,
                steps[row.number],
                files[row.number],
                tags,
                needs.get(row.number, 0),
                needed.get(row.number, 0),
            )
        last = rows[-1].number


def counters(connection: Connection) -> dict[str, int]:
    """The last numbers that were given out, by what they number."""
    return {row.name: row.value for row in connection.execute(select(schema.counters))}


def submissions(connection: Connection) -> Iterator[JobRow]:
    """What each idempotency key stands for (owner, key, first_number, job_count)."""
    return _one_by_one(connection, schema.submissions)


def uploads(connection: Connection) -> Iterator[JobRow]:
    """Every upload of everybody (owner, sha256, size_bytes, uploaded_at)."""
    return _one_by_one(connection, schema.uploads)


def holdings(connection: Connection) -> dict[str, int]:
    """What is counted for each owner, bytes."""
    found = connection.execute(select(schema.holdings))
    return {row.owner: row.storage_bytes for row in found}


def _one_by_one(connection: Connection, table: Table) -> Iterator[JobRow]:
    yield from connection.execute(select(table).execution_options(yield_per=_BATCH))


def _by_job(
    connection: Connection, table: Table, order: str, within: tuple[int, int]
) -> dict[int, list[JobRow]]:
    found: dict[int, list[JobRow]] = defaultdict(list)
    number: Any = table.c.job_number
    statement = select(table).where(number.between(*within)).order_by(number, table.c[order])
    for row in connection.execute(statement):
        found[row.job_number].append(row)
    return found


def _open_needs(connection: Connection, within: tuple[int, int]) -> dict[int, int]:
    needs = schema.dependencies.c
    statement = (
        select(needs.job_number, func.count())
        .join(schema.jobs, schema.jobs.c.number == needs.needed_number)
        .where(needs.job_number.between(*within), schema.jobs.c.status != "completed")
        .group_by(needs.job_number)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def _needed_by(connection: Connection, within: tuple[int, int]) -> dict[int, int]:
    needs = schema.dependencies.c
    statement = (
        select(needs.needed_number, func.count())
        .where(needs.needed_number.between(*within))
        .group_by(needs.needed_number)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}
