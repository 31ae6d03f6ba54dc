"""Files by links that need no token: outputs and inputs to be fetched, uploads to be put."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kotta.errors import ForbiddenError, NotFoundError
from kotta.models.field_values import input_name
from kotta_service import uploading
from kotta_service.file_answers import at_its_place
from kotta_service.launching import kept_input
from kotta_service.parts import Parts, WithParts
from kotta_service.storage import Kept
from kotta_service.store import accounts, uploads
from kotta_service.store import jobs as store
from kotta_service.store.database import Transaction
from kotta_service.store.visibility import anybodys
from kotta_service.v1.links import PREFIX, Grant, Links

router = APIRouter(include_in_schema=False)
Signature = Annotated[str, Query(max_length=256)]


@router.get(PREFIX + "/outputs/{job_id}/{attempt}/{name}")
def output(
    job_id: str,
    attempt: int,
    name: str,
    request: Request,
    parts: WithParts,
    signature: Signature = "",
) -> Response:
    Links(parts).check(signature, "output", job_id, str(attempt), name)
    with parts.database.read() as connection:
        row = store.by_id(connection, job_id, anybodys())
        found = None if row is None else store.output(connection, job_id, name, anybodys())
    if found is None or found.attempt != attempt:
        raise NotFoundError(f"job {job_id} has no output `{name}`")
    return _attachment(parts.storage.output(job_id, attempt, name), found.sha256, name, request)


@router.get(PREFIX + "/inputs/{job_id}/{position}/{name}")
def uploaded_input(
    job_id: str,
    position: int,
    name: str,
    request: Request,
    parts: WithParts,
    signature: Signature = "",
) -> Response:
    Links(parts).check(signature, "input", job_id, str(position), name)
    with parts.database.read() as connection:
        row = store.by_id(connection, job_id, anybodys())
    inputs = [] if row is None else row.description.get("inputs", [])
    url = inputs[position] if 0 <= position < len(inputs) else ""
    if row is None or not url.startswith("kotta://uploads/") or input_name(url) != name:
        raise NotFoundError(f"job {job_id} has no input `{name}`")
    with parts.database.read() as connection:
        kept, sha256 = kept_input(connection, parts.storage, row.owner, url)
    return _attachment(kept, sha256, name, request)


@router.put("/uploads/{owner}/{name}")
async def upload(
    owner: str, name: str, request: Request, parts: WithParts, signature: Signature = ""
) -> Response:
    grant = Links(parts).check(signature, "upload", owner, name)
    request.scope["kotta.caller"] = owner
    await asyncio.to_thread(_refuse_if_not_for_them, parts, owner)

    def record(transaction: Transaction, sha256: str, size: int) -> str:
        _record(transaction, parts, owner, name, sha256, size, grant)
        return sha256

    sha256 = await uploading.keep(parts, owner, "", request, record)
    return Response(headers={"ETag": f'"{sha256}"'})


def _record(
    transaction: Transaction,
    parts: Parts,
    owner: str,
    name: str,
    sha256: str,
    size: int,
    grant: Grant,
) -> None:
    now = time.time()
    taken = uploads.taken_by(transaction.connection, grant.signature)
    if taken == sha256:
        return  # the answer got lost, and the client asks again
    if taken is not None:
        raise ForbiddenError("this link has taken a file already", code="link_used")
    uploads.take(transaction, grant.signature, sha256, expires_at=grant.expires_at, now=now)
    uploading.record(transaction, parts.settings, owner, sha256, size)
    uploads.keep_name(transaction, owner, name, sha256, now)


def _refuse_if_not_for_them(parts: Parts, owner: str) -> None:
    with parts.database.read() as connection:
        user = accounts.user(connection, owner)
    if user is not None and user.is_disabled:
        raise ForbiddenError("this link does not count any more", code="link_invalid")


def _attachment(kept: Kept, sha256: str, name: str, request: Request) -> Response:
    """A file as something to keep: what users make is never a page of this service."""
    answer = at_its_place(kept, f'"{sha256}"', request.headers, download_as=name)
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
