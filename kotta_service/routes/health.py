"""`/healthz` and `/readyz`: whether the process answers, and whether it can do its work.

Both are for machines, ask for no token, and tell nothing else.
"""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from kotta_service.parts import Parts, WithParts

router = APIRouter(tags=["health"])
LONGEST_ROUND_SECONDS = 4.0
"""A dispatcher that has not come round for so long is stuck; a round takes one second."""
ANSWER_SECONDS = 2.0


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Whether jobs can be accepted and started",
    responses={503: {"description": "They cannot, and why"}},
)
async def readyz(response: Response, parts: WithParts) -> dict[str, object]:
    try:
        lacks = await asyncio.wait_for(asyncio.to_thread(_lacks, parts), ANSWER_SECONDS)
    except asyncio.TimeoutError:
        lacks = ["database"]
    if lacks:
        response.status_code = 503
    return {"status": "not ready" if lacks else "ready", "lacks": lacks}


def _lacks(parts: Parts) -> list[str]:
    lacks = []
    since = time.monotonic() - parts.dispatcher.came_round_at
    if not parts.dispatcher.is_alive or since > LONGEST_ROUND_SECONDS:
        lacks.append("dispatcher")
    if not parts.database.is_alive:
        lacks.append("writer")
    try:
        with parts.database.read() as connection:
            connection.execute(select(1))
    except SQLAlchemyError:
        lacks.append("database")
    return lacks
