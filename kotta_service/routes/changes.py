"""`/changes`: the feed that everything which waits stands on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from kotta.models import Change, ChangePage
from kotta_service import access, views
from kotta_service.callers import Caller, WithCaller
from kotta_service.feed import MAX_WAIT_SECONDS
from kotta_service.parts import Parts, WithParts
from kotta_service.store import changes as feed
from kotta_service.store.database import last_change
from kotta_service.store.visibility import Whose

router = APIRouter(prefix="/changes", tags=["changes"])


@router.get("", summary="What changed after a number, now or as soon as something does")
async def changes(
    parts: WithParts,
    who: WithCaller,
    after: Annotated[int | None, Query(ge=0, lt=1 << 62)] = None,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
    job: Annotated[list[str] | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    results: bool = False,
    ended: bool = False,
    owner: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    shared: bool = False,
) -> ChangePage:
    # what is named by its id may be anybody's that the caller may look at
    whose = access.readable(who) if job else access.listed(who, owner, shared=shared)
    asked = _Asked(who, whose, after, job or [], limit, results, ended)
    if not (job or shared):
        access.note_list(parts, who, owner)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    if ended and after is not None:
        # nothing is read before there is something to tell
        await parts.feed.wait_beyond(after, wait, for_end=True)
    while True:
        page = await asyncio.to_thread(_page, parts, asked)
        remaining = deadline - loop.time()
        if page.changes or after is None or remaining <= 0 or parts.feed.closed:
            return page
        await parts.feed.wait_beyond(page.last, remaining, for_end=ended)


@dataclass(frozen=True)
class _Asked:
    """What is asked of the feed.

    Attributes:
        whose: among which jobs.
        job_ids: these alone; empty: all of them.
        ended: those alone that have ended.
    """

    who: Caller
    whose: Whose
    after: int | None
    job_ids: list[str]
    limit: int
    results: bool
    ended: bool


def _page(parts: Parts, asked: _Asked) -> ChangePage:
    with parts.database.read() as connection:
        # read first: what comes between the two statements is then told again, not missed
        last = last_change(connection)
        if asked.after is None:
            return ChangePage(changes=[], last=last)
        rows = feed.changed_after(
            connection,
            asked.whose,
            asked.after,
            ids=asked.job_ids,
            ended=asked.ended,
            limit=asked.limit,
        )
        numbers = [row.number for row in rows]
        known = feed.results_of(connection, numbers) if asked.results and rows else {}
    for row in rows if asked.job_ids else ():
        access.note_look(parts, asked.who, row, "changes")
    if len(rows) == asked.limit:
        last = rows[-1].change
    found = [
        Change(number=row.change, job=views.summary(row), result=known.get(row.number))
        for row in rows
    ]
    return ChangePage(changes=found, last=max([last, *(change.number for change in found[-1:])]))
