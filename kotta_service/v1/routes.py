"""`/rest/v1/…`: submit, status, list, cancel, and where to put a file."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from kotta.errors import DescriptionError, KottaError, NotFoundError, RequestError
from kotta.models.field_values import check_file_name
from kotta_service import submission
from kotta_service.parts import Parts, WithParts
from kotta_service.routes import jobs as modern
from kotta_service.store import finding
from kotta_service.store import jobs as store
from kotta_service.store.visibility import anybodys, own
from kotta_service.v1 import items
from kotta_service.v1.descriptions import described, with_own_outputs
from kotta_service.v1.forms import form_of
from kotta_service.v1.links import PREFIX, Links
from kotta_service.v1.senders import sender_of

router = APIRouter(prefix=PREFIX, include_in_schema=False)
MAX_LISTED = 1000
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_Asked = ParamSpec("_Asked")


def answered(
    route: Callable[_Asked, Awaitable[JSONResponse]],
) -> Callable[_Asked, Coroutine[Any, Any, JSONResponse]]:
    """Makes a refusal of `route` what these clients take for one: an answer that says why."""

    @functools.wraps(route)
    async def answer(*args: _Asked.args, **named: _Asked.kwargs) -> JSONResponse:
        try:
            return await route(*args, **named)
        except KottaError as error:
            return _told(status="Fail", reason=_reason(error))

    return answer


@router.post("/submit_task")
@answered
async def submit_task(request: Request, parts: WithParts) -> JSONResponse:
    form = await form_of(request)
    sender = await sender_of(request, form, parts, "write")
    description = await asyncio.to_thread(
        with_own_outputs, parts, sender.name, described(form, sender)
    )
    wanted = await modern.checked(parts, sender.name, [description])
    rows, _ = await asyncio.wrap_future(
        parts.database.write(
            lambda transaction: submission.submit(
                transaction,
                parts.settings,
                sender.name,
                wanted,
                key=None,
                body_sha256="",
                now=time.time(),
            )
        )
    )
    return _told(status="Success", job_id=rows[0].id)


@router.get("/status_task/{job_id}")
def status_task(job_id: str, parts: WithParts) -> JSONResponse:
    with parts.database.read() as connection:
        row = store.by_id(connection, job_id, anybodys())
        if row is None:
            raise NotFoundError(f"there is no job {job_id}")
        found = items.status_items(connection, Links(parts), row)
    return _told(status=row.status, items=found)


@router.get("/list_tasks")
@answered
async def list_tasks(request: Request, parts: WithParts) -> JSONResponse:
    sender = await sender_of(request, await form_of(request), parts, "read")
    rows = await asyncio.to_thread(_newest, parts, sender.name)
    listed = {str(number): items.list_item(row) for number, row in enumerate(rows)}
    return _told(status="Success", items=listed)


@router.get("/cancel_task/{job_id}")
@router.post("/cancel_task/{job_id}")
@answered
async def cancel_task(job_id: str, request: Request, parts: WithParts) -> JSONResponse:
    sender = await sender_of(request, await form_of(request), parts, "write")
    await modern.cancel(job_id, parts, sender)
    return _told(status="Success")


@router.post("/upload_url")
@answered
async def upload_url(request: Request, parts: WithParts) -> JSONResponse:
    form = await form_of(request)
    sender = await sender_of(request, form, parts, "write")
    name = _last_component(form.one("filepath"))
    return _told(status="Success", upload_url=Links(parts).for_upload(sender.name, name))


def _newest(parts: Parts, owner: str) -> list[store.JobRow]:
    with parts.database.read() as connection:
        return finding.page(connection, own(owner), limit=MAX_LISTED)


def _last_component(path: str) -> str:
    """The name of a file by its path where the client runs.

    Raises:
        RequestError: it names no file.
    """
    separators = r"[\\/]" if _WINDOWS_PATH.match(path) else "/"
    name = re.split(separators, path)[-1]
    try:
        return check_file_name(name)
    except ValueError as error:
        raise RequestError(f"`filepath` {error}") from None


def _reason(error: KottaError) -> str:
    """Why, in one line; these clients show nothing else."""
    if not isinstance(error, DescriptionError) or not error.problems:
        return error.message
    words = []
    for problem in error.problems:
        # where in a request for many jobs it was is not what these clients sent
        field = re.sub(r"^jobs\[0\]\.?", "", problem.field)
        words.append(f"{field} {problem.detail}".strip())
    return "; ".join(words)


def _told(**content: Any) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})
