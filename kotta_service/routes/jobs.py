"""`/jobs`: submit, list, select, status, cancel."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from kotta.errors import FieldProblem, RequestError
from kotta.models import Job, JobDetail, JobPage, JobState, SubmitReply
from kotta.models.requests import SubmitRequest
from kotta_service import jobs, views
from kotta_service.executors import Key
from kotta_service.feed import MAX_WAIT_SECONDS
from kotta_service.parts import Owner, WithParts
from kotta_service.store import jobs as store
from kotta_service.store.database import last_change

router = APIRouter(prefix="/jobs", tags=["jobs"])
MAX_SELECTED = 50


@router.post("", status_code=201, summary="Submit jobs, all or none")
async def submit(
    wanted: SubmitRequest,
    request: Request,
    response: Response,
    parts: WithParts,
    owner: Owner,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]+$")
    ] = None,
) -> SubmitReply:
    digest = hashlib.sha256(await request.body()).hexdigest()
    descriptions = wanted.jobs

    def look_for_inputs() -> list[FieldProblem]:
        with parts.database.read() as connection:
            return jobs.input_problems(connection, owner, descriptions)

    problems = jobs.limit_problems(parts.settings, descriptions)
    if any(description.inputs for description in descriptions):
        problems += await asyncio.to_thread(look_for_inputs)
    jobs.refuse_if(problems)
    rows, is_new = await asyncio.wrap_future(
        parts.database.write(
            lambda transaction: jobs.submit(
                transaction,
                parts.settings,
                owner,
                descriptions,
                key=idempotency_key,
                body_sha256=digest,
                now=time.time(),
            )
        )
    )
    if not is_new:
        response.status_code = 200
    return SubmitReply(jobs=[views.summary(row) for row in rows])


@router.get("", summary="List jobs, newest first")
def list_jobs(
    parts: WithParts,
    owner: Owner,
    status: Annotated[list[JobState] | None, Query()] = None,
    queue: Annotated[str | None, Query(max_length=256)] = None,
    name: Annotated[str | None, Query(max_length=256)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> JobPage:
    with parts.database.read() as connection:
        change = last_change(connection)
        rows = store.page(
            connection,
            owner,
            statuses=[item.value for item in status or ()],
            queue=queue,
            name=name,
            before=_number(cursor),
            limit=limit + 1,
        )
    more = len(rows) > limit
    return JobPage(
        jobs=[views.summary(row) for row in rows[:limit]],
        next_cursor=_cursor(rows[limit - 1].number) if more else None,
        change=change,
    )


@router.get("/select", summary="Find the jobs that a selector means")
def select(
    parts: WithParts, owner: Owner, selector: Annotated[str, Query(min_length=1, max_length=256)]
) -> JobPage:
    with parts.database.read() as connection:
        change = last_change(connection)
        rows = store.selected(connection, owner, selector, MAX_SELECTED)
    return JobPage(jobs=[views.summary(row) for row in rows], change=change)


@router.get("/{job_id}", summary="Everything about one job, now or once it has ended")
async def status(
    job_id: str,
    parts: WithParts,
    owner: Owner,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
) -> JobDetail:
    def look(if_ended: bool) -> JobDetail | int:
        with parts.database.read() as connection:
            row = jobs.own_job(connection, job_id, owner)
            if if_ended and row.status not in jobs.TERMINAL:
                return int(row.change)
            return views.detail(connection, row)

    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        remaining = deadline - loop.time()
        found = await asyncio.to_thread(look, remaining > 0 and not parts.feed.closed)
        if isinstance(found, JobDetail):
            return found
        await parts.feed.wait_beyond(found, remaining)


@router.post("/{job_id}/cancel", summary="End a job")
async def cancel(job_id: str, parts: WithParts, owner: Owner) -> Job:
    row = await asyncio.wrap_future(
        parts.database.write(
            lambda transaction: jobs.cancel(transaction, owner, job_id, time.time())
        )
    )
    if row.status in store.ACTIVE:
        parts.dispatcher.look_at(Key(row.id, row.attempt))
    return views.summary(row)


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise RequestError(
            "this cursor is not one of ours", hint="leave it out to begin with the newest"
        ) from None
