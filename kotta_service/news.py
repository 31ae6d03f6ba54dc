"""What the change feed tells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from kotta.models import Change, ChangePage
from kotta_service import access, views
from kotta_service.callers import Caller
from kotta_service.feed import MAX_WAIT_SECONDS
from kotta_service.parts import Parts
from kotta_service.store import changes as feed
from kotta_service.store.database import last_change
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import Whose

MAX_JOBS = 1000
MAX_AWAITED = 100
"""More jobs of a submission are not waited for: they are looked at with each job's end."""
MAX_RESULTS_BYTES = 8 << 20
"""An answer tells of fewer changes than it may where the results of calls take more than this."""
RESULTS_AT_ONCE = 50


class Asked(BaseModel):
    """What is asked of the feed."""

    after: int | None = Field(None, ge=0, lt=1 << 62)
    wait: float = Field(0, ge=0, le=MAX_WAIT_SECONDS)
    job: list[str] | None = Field(None, max_length=MAX_JOBS)
    limit: int = Field(1000, ge=1, le=1000)
    results: bool = False
    ended: bool = False
    owner: str | None = Field(None, min_length=1, max_length=64)
    shared: bool = False


def page(parts: Parts, who: Caller, whose: Whose, asked: Asked) -> ChangePage:
    """What has changed.

    Args:
        whose: among which jobs.
    """
    ids = asked.job or []
    with parts.database.read() as connection:
        # read first: what comes between the two statements is then told again, not missed
        last = last_change(connection)
        if asked.after is None:
            return ChangePage(changes=[], last=last)
        rows = feed.changed_after(
            connection,
            whose,
            asked.after,
            ids=ids,
            ended=asked.ended,
            limit=asked.limit,
        )
        known, count = _results(connection, rows) if asked.results else ({}, len(rows))
    if count < len(rows) or count == asked.limit:
        rows = rows[:count]
        last = rows[-1].change
    for row in rows if ids else ():
        access.note_look(parts, who, row, "changes")
    found = [
        Change(number=row.change, job=views.summary(row), result=known.get(row.number))
        for row in rows
    ]
    return ChangePage(changes=found, last=max([last, *(change.number for change in found[-1:])]))


async def ends(parts: Parts, rows: Sequence[JobRow], wait_seconds: float) -> list[Change]:
    """The ends of jobs of one submission that come within so long, of the first `MAX_AWAITED`.

    Those whose results would be too much for one answer are left out.
    """
    awaited = rows[:MAX_AWAITED]
    if not awaited:
        return []  # sent again, and forgotten meanwhile
    numbers = awaited[0].number, awaited[-1].number + 1
    seen = min(row.change for row in awaited) - 1  # what has ended before is told at once
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    found: list[JobRow] = []

    def look() -> list[JobRow]:
        with parts.database.read() as connection:
            return feed.ended_of(connection, *numbers)

    while (
        len(found) < len(awaited) and (left := deadline - loop.time()) > 0 and not parts.feed.closed
    ):
        if not await parts.feed.wait_beyond(seen, left, for_end=True):
            break
        seen = parts.feed.last_end
        found = await asyncio.to_thread(look)
    changes: list[Change] = []
    size = 0
    for row in found:
        size += _size(row.result or {})
        if size <= MAX_RESULTS_BYTES or not changes:
            changes.append(Change(number=row.change, job=views.summary(row), result=row.result))
    return changes


def _results(
    connection: Connection, rows: Sequence[JobRow]
) -> tuple[dict[int, dict[str, Any]], int]:
    """What calls returned, by their jobs' numbers, and of how many rows an answer can hold them."""
    known: dict[int, dict[str, Any]] = {}
    size = 0
    for start in range(0, len(rows), RESULTS_AT_ONCE):
        part = rows[start : start + RESULTS_AT_ONCE]
        found = feed.results_of(connection, [row.number for row in part])
        for place, row in enumerate(part, start):
            result = found.get(row.number)
            if result is None:
                continue
            size += _size(result)
            if size > MAX_RESULTS_BYTES and place:
                return known, place
            known[row.number] = result
    return known, len(rows)


def _size(result: dict[str, Any]) -> int:
    """About how many bytes it takes in an answer."""
    values = [*result.values(), *(result.get("error") or {}).values()]
    return sum(len(value) for value in values if isinstance(value, str))
