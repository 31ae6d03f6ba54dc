"""`/changes`: the feed that everything which waits stands on."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from kotta.models import Change, ChangePage
from kotta_service import views
from kotta_service.callers import Owner
from kotta_service.feed import MAX_WAIT_SECONDS
from kotta_service.parts import Parts, WithParts
from kotta_service.store import jobs as store
from kotta_service.store.database import last_change

router = APIRouter(prefix="/changes", tags=["changes"])


@router.get("", summary="What changed after a number, now or as soon as something does")
async def changes(
    parts: WithParts,
    owner: Owner,
    after: Annotated[int | None, Query(ge=0, lt=1 << 62)] = None,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
    job: Annotated[list[str] | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    results: bool = False,
) -> ChangePage:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        page = await asyncio.to_thread(_page, parts, owner, after, job or [], limit, results)
        remaining = deadline - loop.time()
        if page.changes or after is None or remaining <= 0 or parts.feed.closed:
            return page
        await parts.feed.wait_beyond(page.last, remaining)


def _page(
    parts: Parts, owner: str, after: int | None, job_ids: list[str], limit: int, results: bool
) -> ChangePage:
    with parts.database.read() as connection:
        # read first: what comes between the two statements is then told again, not missed
        last = last_change(connection)
        if after is None:
            return ChangePage(changes=[], last=last)
        rows = store.changed_after(connection, owner, after, ids=job_ids, limit=limit)
        known = store.results_of(connection, [row.number for row in rows]) if results else {}
    if len(rows) == limit:
        last = rows[-1].change
    found = [
        Change(number=row.change, job=views.summary(row), result=known.get(row.number))
        for row in rows
    ]
    return ChangePage(changes=found, last=max([last, *(change.number for change in found[-1:])]))
