"""`/healthz` and `/readyz`: whether the process answers, and whether it can do its work.

Both are for machines, ask for no token, and tell nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from kotta.errors import KottaError
from kotta_service.parts import Parts, WithParts
from kotta_service.persisting import recovering
from kotta_service.store.database import Transaction, last_change

router = APIRouter(tags=["health"])
LONGEST_ROUND_SECONDS = 4.0
"""A dispatcher that has not come round for so long is stuck; a round takes one second."""
ANSWER_SECONDS = 2.0


class Health(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Whether jobs can be accepted and started.

    Attributes:
        lacks: what is dead, stuck or out of reach: `dispatcher`, `writer`, `database`, `storage`;
            `disk` if that of the database is full; and any other part that has failed and is about
            to begin anew, in words.
    """

    status: Literal["ready", "not ready"]
    lacks: list[str]


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> Health:
    return Health()


@router.get(
    "/readyz",
    summary="Whether jobs can be accepted and started",
    responses={503: {"model": Readiness, "description": "They cannot, and why"}},
)
async def readyz(response: Response, parts: WithParts) -> Readiness:
    lacks = _still(parts)
    try:
        found = await asyncio.wait_for(asyncio.to_thread(_can_read, parts), ANSWER_SECONDS)
    except asyncio.TimeoutError:
        found = False
    if not found:
        lacks.append("database")
    if parts.database.is_full and not await _has_room(parts):
        lacks.append("disk")
    if await parts.storage_watch.problem():
        lacks.append("storage")
    if lacks:
        response.status_code = 503
    return Readiness(status="not ready" if lacks else "ready", lacks=lacks)


def _still(parts: Parts) -> list[str]:
    """Which threads are dead or stuck, and what else has failed a moment ago."""
    lacks = recovering()
    since = time.monotonic() - parts.dispatcher.came_round_at
    if not parts.dispatcher.is_alive or since > LONGEST_ROUND_SECONDS:
        lacks.append("dispatcher")
    if not parts.database.is_alive or parts.database.busy_seconds > LONGEST_ROUND_SECONDS:
        lacks.append("writer")
    return list(dict.fromkeys(lacks))


async def _has_room(parts: Parts) -> bool:
    """Whether the database has room by now, which is told by the next thing it takes."""
    try:
        written = asyncio.wrap_future(parts.database.write(_write_something))
        await asyncio.wait_for(written, ANSWER_SECONDS)
    except (KottaError, SQLAlchemyError, asyncio.TimeoutError):
        return False
    return not parts.database.is_full


def _write_something(transaction: Transaction) -> None:
    transaction.take_numbers("change", 0)


def _can_read(parts: Parts) -> bool:
    """Whether the database gives what is in it; a connection alone would be had of a dead one."""
    try:
        with parts.database.read() as connection:
            last_change(connection)
    except SQLAlchemyError:
        return False
    return True
