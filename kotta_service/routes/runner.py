"""`/runner`: where runners report. Each is heard about its own attempt only."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header

from kotta.errors import NotFoundError
from kotta_service import jobs
from kotta_service.executors import Key
from kotta_service.messages import RunnerAnswer, RunnerReport
from kotta_service.parts import Parts, WithParts
from kotta_service.store import jobs as store

router = APIRouter(prefix="/runner", tags=["runner"])


@router.post("/reports", summary="A runner tells how its attempt goes")
async def report(
    message: RunnerReport,
    parts: WithParts,
    authorization: Annotated[str, Header(max_length=1024)] = "",
) -> RunnerAnswer:
    token = authorization.removeprefix("Bearer ")
    if not parts.tokens.fits(token, message.job_id, message.attempt):
        raise NotFoundError(f"there is no job {message.job_id}")
    if message.record is not None and await asyncio.to_thread(_is_hearsay, parts, message):
        # what it left in its directory is looked at instead
        parts.dispatcher.look_at(Key(message.job_id, message.attempt))
        message = message.model_copy(update={"record": None})
    if message.record is not None and parts.storage.is_direct:
        record = await asyncio.to_thread(parts.storage.checked, message.record)
        message = message.model_copy(update={"record": record})
    cancel = await asyncio.wrap_future(
        parts.database.write(lambda transaction: jobs.report(transaction, message))
    )
    return RunnerAnswer(cancel=cancel)


def _is_hearsay(parts: Parts, message: RunnerReport) -> bool:
    with parts.database.read() as connection:
        row = store.summary_by_id(connection, message.job_id)
    queue = None if row is None else parts.settings.queues.get(row.queue)
    return queue is not None and queue.has_runners_of_accounts
