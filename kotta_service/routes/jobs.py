"""`/jobs`: submit, list, select, status, cancel."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field

from kotta.errors import FieldProblem, RequestError
from kotta.models import (
    CancelReply,
    CheckedJob,
    CheckReply,
    ClusterWait,
    Job,
    JobDescription,
    JobDetail,
    JobPage,
    JobState,
    Place,
    SubmitReply,
)
from kotta.models.requests import CancelRequest, SubmitRequest
from kotta_service import (
    access,
    forecast,
    jobs,
    named_uploads,
    news,
    s3_inputs,
    selectors,
    submission,
    views,
)
from kotta_service.callers import Owner, WithCaller
from kotta_service.executors import Key
from kotta_service.feed import MAX_WAIT_SECONDS
from kotta_service.parts import Parts, WithParts
from kotta_service.routes.bounds import MAX_NUMBER, Moment
from kotta_service.routes.direct import DirectRoute, answer
from kotta_service.store import finding, queues
from kotta_service.store import jobs as store
from kotta_service.store.database import last_change
from kotta_service.store.jobs import JobRow
from kotta_service.upkeep import retention

router = APIRouter(prefix="/jobs", tags=["jobs"])
direct = APIRouter(prefix="/jobs", tags=["jobs"], route_class=DirectRoute)


class Waiting(BaseModel):
    """How long an answer may be waited for."""

    wait: float = Field(0, ge=0, le=MAX_WAIT_SECONDS)


@direct.post(
    "",
    status_code=201,
    response_model=SubmitReply,
    responses={200: {"model": SubmitReply, "description": "They had been submitted already"}},
    summary="Submit jobs, all or none",
)
async def submit(
    wanted: SubmitRequest,
    request: Request,
    parts: WithParts,
    who: WithCaller,
    asked: Annotated[Waiting, Query()],
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]+$")
    ] = None,
) -> Response:
    digest = hashlib.sha256(await request.body()).hexdigest()
    all_wanted = await checked(parts, who.name, wanted.jobs)
    rows, is_new = await asyncio.wrap_future(
        parts.database.write(
            lambda transaction: submission.submit(
                transaction,
                parts.settings,
                who.name,
                all_wanted,
                key=idempotency_key,
                body_sha256=digest,
                now=time.time(),
            )
        )
    )
    accepted = [views.summary(row) for row in rows]
    ended = await news.ends(parts, rows, asked.wait) if asked.wait else []
    return answer(SubmitReply(jobs=accepted, ended=ended), 201 if is_new else 200)


@router.post("/check", summary="What would become of jobs, were they submitted now")
async def check(wanted: SubmitRequest, parts: WithParts, owner: Owner) -> CheckReply:
    all_wanted = await checked(parts, owner, wanted.jobs)

    def look() -> list[CheckedJob]:
        with parts.database.read() as connection:
            return forecast.check(connection, parts.settings, owner, all_wanted)

    return CheckReply(jobs=await asyncio.to_thread(look))


async def checked(
    parts: Parts, owner: str, descriptions: Sequence[JobDescription]
) -> list[submission.Wanted]:
    """Every job that is asked for, none of them with a problem."""
    found = await _expanded(descriptions)

    def look_at_inputs() -> tuple[list[submission.Wanted], list[FieldProblem]]:
        bucket = parts.settings.serve.bucket
        with parts.database.read() as connection:
            wanted = s3_inputs.with_own_urls(parts.settings, found)
            wanted = named_uploads.with_contents(connection, bucket, owner, wanted)
            in_s3 = partial(s3_inputs.problem, parts.settings, owner)
            return wanted, submission.input_problems(connection, owner, wanted, in_s3)

    problems = submission.limit_problems(parts.settings, found)
    if not problems and parts.executors.has_engines:
        problems = await asyncio.to_thread(submission.engine_problems, parts.executors, found)
    elif not problems:
        problems = submission.engine_problems(parts.executors, found)
    if any(description.inputs for description in descriptions):
        found, more = await asyncio.to_thread(look_at_inputs)
        problems += more
    submission.refuse_if(problems)
    return found


async def _expanded(descriptions: Sequence[JobDescription]) -> list[submission.Wanted]:
    if any(description.array for description in descriptions):
        # others are answered while many jobs are made of few words
        return await asyncio.to_thread(submission.expanded, descriptions)
    return submission.expanded(descriptions)


@router.get("", summary="List jobs, newest first")
def list_jobs(
    parts: WithParts,
    who: WithCaller,
    status: Annotated[list[JobState] | None, Query()] = None,
    queue: Annotated[str | None, Query(max_length=256)] = None,
    name: Annotated[str | None, Query(max_length=256)] = None,
    tag: Annotated[str | None, Query(max_length=256)] = None,
    array: Annotated[str | None, Query(max_length=36)] = None,
    owner: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    shared: bool = False,
    since: Annotated[Moment | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> JobPage:
    with parts.database.read() as connection:
        change = last_change(connection)
        rows = finding.page(
            connection,
            access.listed(who, owner, shared=shared),
            statuses=[item.value for item in status or ()],
            queue=queue,
            name=name,
            tag=tag,
            array=array,
            # what is told of a moment is rounded to microseconds, perhaps up
            since=None if since is None else since.timestamp() - 1e-6,
            before=_number(cursor),
            limit=limit + 1,
        )
    if not shared:
        access.note_list(parts, who, owner)
    more = len(rows) > limit
    return JobPage(
        jobs=[views.summary(row) for row in rows[:limit]],
        next_cursor=_cursor(rows[limit - 1].number) if more else None,
        change=change,
    )


@router.get("/select", summary="Find the jobs that a selector means")
def select(
    parts: WithParts,
    who: WithCaller,
    selector: Annotated[str, Query(min_length=1, max_length=256)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> JobPage:
    with parts.database.read() as connection:
        change = last_change(connection)
        found = selectors.select(connection, who, selector, before=_number(cursor), limit=limit + 1)
    more = found.is_set and len(found.rows) > limit
    rows = found.rows[:limit] if found.is_set else found.rows
    return JobPage(
        jobs=[views.summary(row) for row in rows],
        is_set=found.is_set,
        next_cursor=_cursor(rows[-1].number) if more else None,
        change=change,
    )


@router.post("/cancel", summary="End many jobs")
async def cancel_many(wanted: CancelRequest, parts: WithParts, who: WithCaller) -> CancelReply:
    whose = access.endable(who)
    running = await asyncio.wrap_future(
        parts.database.write(
            lambda transaction: jobs.cancel_many(transaction, whose, wanted.jobs, time.time())
        )
    )

    def rows_of(ids: Sequence[str]) -> dict[str, JobRow]:
        with parts.database.read() as connection:
            return store.by_ids(connection, ids, whose)

    def look() -> list[Job]:
        rows = rows_of(list(dict.fromkeys(wanted.jobs)))
        for row in rows.values():
            access.note_end(who, row)
        placed = [rows[job_id] for job_id in running if queues.is_placed(rows[job_id])]
        if placed:
            parts.dispatcher.end_placed(placed)
            rows |= rows_of([row.id for row in placed])
        return [views.summary(rows[job_id]) for job_id in dict.fromkeys(wanted.jobs)]

    return CancelReply(jobs=await asyncio.to_thread(look))


@router.get("/{job_id}", summary="Everything about one job, now or once it has ended")
async def status(
    job_id: str,
    parts: WithParts,
    who: WithCaller,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
) -> JobDetail:
    def look(if_ended: bool) -> JobDetail | None:
        with parts.database.read() as connection:
            row = access.look(parts, connection, job_id, who, "status")
            if if_ended and row.status not in jobs.TERMINAL:
                return None
            is_shown_readers = row.owner == who.name or who.sees_all
            return views.detail(
                connection,
                row,
                parts.storage,
                expires_at=retention.expires_at(parts.settings.keep, row),
                with_readers=is_shown_readers,
            )

    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        # taken first: an end that comes between the two is not missed
        seen = parts.feed.last
        remaining = deadline - loop.time()
        found = await asyncio.to_thread(look, remaining > 0 and not parts.feed.closed)
        if found is not None:
            return found
        await parts.feed.wait_beyond(seen, remaining, for_end=True)


@router.get("/{job_id}/place", summary="Where a pending job stands, and what it waits for")
def place(job_id: str, parts: WithParts, who: WithCaller) -> Place:
    with parts.database.read() as connection:
        row = access.look(parts, connection, job_id, who, "place")
    # an engine may have to be asked, which is done without a connection to the database
    size = parts.executors.size(row.queue)
    with parts.database.read() as connection:
        found = views.place(connection, parts.settings, row, who.name, size)
    if row.status != "pending" or not queues.is_placed(row):
        return found
    executor = parts.executors.of(row.queue)
    wait = executor.wait_of(Key(row.id, queues.placed_attempt(row)))
    if wait is None:
        return found
    cluster = ClusterWait(
        name=executor.name,
        native_id=wait.native_id,
        reason=wait.reason,
        words=wait.words,
        starts_at=wait.starts_at,
    )
    return found.model_copy(update={"cluster": cluster})


@router.post("/{job_id}/cancel", summary="End a job")
async def cancel(job_id: str, parts: WithParts, who: WithCaller) -> Job:
    whose = access.endable(who)
    row = await asyncio.wrap_future(
        parts.database.write(
            lambda transaction: jobs.cancel(transaction, whose, job_id, time.time())
        )
    )
    access.note_end(who, row)
    if not queues.is_placed(row):
        return views.summary(row)

    def see_to_it() -> Job:
        parts.dispatcher.end_placed([row])
        with parts.database.read() as connection:
            return views.summary(jobs.known_job(connection, job_id, whose))

    return await asyncio.to_thread(see_to_it)


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        number = int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_NUMBER:
        raise RequestError(
            "this cursor is not one of ours", hint="leave it out to begin with the newest"
        )
    return number
