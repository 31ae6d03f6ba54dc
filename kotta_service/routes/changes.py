"""`/changes`: the feed that everything which waits stands on."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from kotta.models import ChangePage
from kotta_service import access, news
from kotta_service.callers import WithCaller
from kotta_service.news import Asked
from kotta_service.parts import WithParts
from kotta_service.routes.direct import DirectRoute, answer

router = APIRouter(prefix="/changes", tags=["changes"], route_class=DirectRoute)


@router.get(
    "",
    response_model=ChangePage,
    summary="What changed after a number, now or as soon as something does",
)
async def changes(parts: WithParts, who: WithCaller, asked: Annotated[Asked, Query()]) -> Response:
    # what is named by its id may be anybody's that the caller may look at
    whose = (
        access.readable(who) if asked.job else access.listed(who, asked.owner, shared=asked.shared)
    )
    if not (asked.job or asked.shared):
        access.note_list(parts, who, asked.owner)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + asked.wait
    if asked.ended and asked.after is not None:
        # nothing is read before there is something to tell
        await parts.feed.wait_beyond(asked.after, asked.wait, for_end=True)
    while True:
        page = await asyncio.to_thread(news.page, parts, who, whose, asked)
        remaining = deadline - loop.time()
        if page.changes or asked.after is None or remaining <= 0 or parts.feed.closed:
            return answer(page)
        await parts.feed.wait_beyond(page.last, remaining, for_end=asked.ended)
