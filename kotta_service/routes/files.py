"""Bytes in and out: uploads, outputs, the streams of a job, and what it used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from kotta.errors import NotFoundError, QuotaError, RequestError
from kotta.models import UploadMissing, Usage
from kotta.models.requests import OutputsWanted, UploadCheck
from kotta.models.signed import SignedFiles, SignedUpload, UploadFinish, UploadStart
from kotta_service import access, jobs, uploading
from kotta_service.callers import Caller, Owner, WithCaller
from kotta_service.doors import Door, door_of
from kotta_service.executors import Key
from kotta_service.feed import MAX_WAIT_SECONDS
from kotta_service.file_answers import at_its_place, one_after_another
from kotta_service.parts import Parts, WithParts
from kotta_service.routes.bounds import Moment
from kotta_service.storage.incoming import not_taken
from kotta_service.store import jobs as store
from kotta_service.store import uploads
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.streams import Piece, Start, Stream, StreamOfAttempt
from kotta_service.usage import usage as read_usage

router = APIRouter()
LOG_LOOK_SECONDS = 0.1
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Accept = Annotated[Literal["path", "url"] | None, Header(alias="Kotta-Accept")]


@router.post("/uploads/check", tags=["files"], summary="Which contents are not here yet")
def check_uploads(
    wanted: UploadCheck, request: Request, parts: WithParts, owner: Owner
) -> UploadMissing:
    with parts.database.read() as connection:
        missing = uploads.missing(connection, owner, wanted.sha256)
    incoming = parts.storage.incoming if _is_on_this_machine(request) else None
    return UploadMissing(
        missing=missing,
        direct=parts.storage.is_direct,
        incoming=None if incoming is None else str(incoming),
    )


@router.put(
    "/uploads/{sha256}",
    status_code=201,
    tags=["files"],
    response_class=Response,
    responses={200: {"description": "They were here already"}},
    summary="Upload a file's bytes",
)
async def upload(
    sha256: Sha256,
    request: Request,
    parts: WithParts,
    owner: Owner,
    kotta_path: Annotated[str | None, Header(alias="Kotta-Path")] = None,
) -> Response:
    def record(transaction: Transaction, _: str, size: int) -> bool:
        return uploading.record(transaction, parts.settings, owner, sha256, size)

    if kotta_path is None:
        is_new = await uploading.keep(parts, owner, sha256, request, record)
    elif _is_on_this_machine(request):
        source = FilePath(unquote(kotta_path, errors="surrogateescape"))
        is_new = await uploading.keep_file(parts, owner, sha256, source, record)
    else:
        raise not_taken("it reads no files of whoever asks from elsewhere")
    return Response(status_code=201 if is_new else 200)


@router.post("/uploads/{sha256}/urls", tags=["files"], summary="Where a file may be sent to S3")
def sign_upload(
    sha256: Sha256, wanted: UploadStart, parts: WithParts, owner: Owner
) -> SignedUpload:
    limit = parts.settings.max_upload_mib << 20
    if wanted.size_bytes > limit:
        raise RequestError(f"an upload may hold {limit} bytes at most", code="too_large")
    uploading.refuse(parts, owner, sha256, wanted.size_bytes)
    kept = parts.storage.upload(owner, sha256)
    return parts.storage.sign_upload(
        kept, sha256, wanted.size_bytes, wanted.upload_id, wanted.first_part
    )


@router.post(
    "/uploads/{sha256}/finish",
    status_code=201,
    tags=["files"],
    response_class=Response,
    responses={200: {"description": "They were here already"}},
    summary="Tell that a file was sent to S3",
)
def finish_upload(sha256: Sha256, sent: UploadFinish, parts: WithParts, owner: Owner) -> Response:
    kept, size = parts.storage.upload(owner, sha256), sent.size_bytes
    try:
        uploading.refuse(parts, owner, sha256, size)
        parts.storage.finish_upload(kept, sha256, size, sent.upload_id, sent.parts)
        is_new = parts.database.write(
            lambda tx: uploading.record(tx, parts.settings, owner, sha256, size)
        ).result()
    except QuotaError:
        uploading.forget(parts.database, parts.storage, owner, sha256)
        raise
    return Response(status_code=201 if is_new else 200)


@router.get(
    "/jobs/{job_id}/outputs/{name}",
    tags=["files"],
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        204: {"description": "Its path on this machine, in `Kotta-Path`, or in S3, in `Kotta-Url`"},
        307: {"description": "It lies in S3, where this URL leads"},
        206: {
            "content": {"application/octet-stream": {}},
            "description": "The range that was asked for",
        },
    },
    summary="An output's bytes, or where they lie",
)
def output(
    job_id: str,
    name: str,
    request: Request,
    parts: WithParts,
    who: WithCaller,
    kotta_accept: Accept = None,
) -> Response:
    found = _found(parts, job_id, [name], who)[0]
    kept = parts.storage.output(job_id, found.attempt, found.name)
    etag = f'"{found.sha256}"'
    if kotta_accept is not None and parts.storage.is_direct:
        seconds = str(parts.settings.s3.signed_seconds)
        told = {"Kotta-Url": kept.url(), "Kotta-Url-Seconds": seconds, "Cache-Control": "no-store"}
        return Response(status_code=204, headers=told)
    if kotta_accept == "path" and kept.path is not None and _is_on_this_machine(request):
        return _lies_at(kept.path, ETag=etag)
    return at_its_place(kept, etag, request.headers)


@router.post(
    "/jobs/{job_id}/outputs",
    tags=["files"],
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        204: {"description": "The folder they lie in on this machine, in `Kotta-Path`"},
    },
    summary="Several outputs' bytes, one after another, or where they lie",
)
def many_outputs(
    job_id: str,
    wanted: OutputsWanted,
    request: Request,
    parts: WithParts,
    who: WithCaller,
    kotta_accept: Accept = None,
) -> Response:
    found = _found(parts, job_id, wanted.names, who)
    kept = [parts.storage.output(job_id, each.attempt, each.name) for each in found]
    if kotta_accept == "url" and parts.storage.is_direct:
        seconds = parts.settings.s3.signed_seconds
        signed = SignedFiles(urls=[each.url() for each in kept], seconds=seconds)
        return JSONResponse(signed.model_dump(), headers={"Cache-Control": "no-store"})
    folders = {each.path.parent for each in kept if each.path is not None}
    if kotta_accept == "path" and _is_on_this_machine(request) and len(folders) == 1:
        return _lies_at(folders.pop())
    return one_after_another(
        [(place, each.size_bytes) for place, each in zip(kept, found, strict=True)]
    )


@router.get(
    "/jobs/{job_id}/logs/{stream}",
    tags=["files"],
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
    summary="What a job has written, now or as soon as it writes",
)
async def logs(
    job_id: str,
    stream: Stream,
    parts: WithParts,
    who: WithCaller,
    offset: Annotated[int, Query(ge=0, lt=1 << 62)] = 0,
    tail: Annotated[int | None, Query(ge=0, lt=1 << 31)] = None,
    since: Annotated[Moment | None, Query()] = None,
    attempt: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
) -> Response:
    start = Start(offset, tail, None if since is None else since.timestamp())
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        change = parts.feed.last
        found = await asyncio.to_thread(_look, parts, who, job_id, stream, attempt, start)
        if found.says_something or loop.time() >= deadline or parts.feed.closed:
            return Response(
                found.piece.content,
                media_type="application/octet-stream",
                headers=found.headers(),
            )
        # where a reader is to begin is found out once, in the attempt that was the latest then
        start, attempt = Start(found.piece.offset), found.source.attempt
        # no file system tells all readers when a file grows: look, as cheaply as a stat is
        while loop.time() < deadline and not parts.feed.closed:
            await asyncio.sleep(LOG_LOOK_SECONDS)
            if parts.feed.last != change or found.source.is_longer_than(found.piece.size):
                break


def _found(parts: Parts, job_id: str, names: Sequence[str], who: Caller) -> list[JobRow]:
    """These outputs of a job, in this order."""
    with parts.database.read() as connection:
        row = access.look(parts, connection, job_id, who, "outputs")
        found = {each.name: each for each in store.available_outputs(connection, row.number, names)}
    for name in names:
        if name not in found:
            raise NotFoundError(
                f"job {job_id} has no output `{name}`",
                hint=f"kotta status {job_id} lists its outputs",
            )
    return [found[name] for name in names]


def _is_on_this_machine(request: Request) -> bool:
    # whoever reaches the socket is this user on this machine, and reads a file faster than HTTP
    return door_of(request.scope) is Door.OWN


def _lies_at(path: FilePath, **headers: str) -> Response:
    return Response(status_code=204, headers={**headers, "Kotta-Path": quote(str(path))})


@dataclass(frozen=True)
class _Look:
    """One look at a stream.

    Attributes:
        is_last: nothing of the attempt will follow the piece.
        next_attempt: the attempt after it, None if there is none (yet).
        has_ended: the job has.
    """

    source: StreamOfAttempt
    piece: Piece
    is_last: bool
    next_attempt: int | None
    has_ended: bool

    @property
    def says_something(self) -> bool:
        return bool(self.piece.content) or self.is_last

    def headers(self) -> dict[str, str]:
        named = {
            "Kotta-Attempt": str(self.source.attempt),
            "Kotta-Offset": str(self.piece.offset),
            "Kotta-Next-Offset": str(self.piece.next_offset),
            "Kotta-Log-Size": str(self.piece.size),
        }
        if self.is_last and self.next_attempt is not None:
            named["Kotta-Next-Attempt"] = str(self.next_attempt)
        elif self.is_last and self.has_ended:
            named["Kotta-Log-Ended"] = "true"
        return named


def _look(
    parts: Parts, who: Caller, job_id: str, stream: Stream, attempt: int, start: Start
) -> _Look:
    with parts.database.read() as connection:
        row = access.look(parts, connection, job_id, who, stream)
    source = StreamOfAttempt(parts, row, attempt, stream)
    piece = source.read(start)
    # the job was looked at first: what it had ended with by then is in the file
    has_ended, is_earlier = row.status in jobs.TERMINAL, source.attempt < row.attempt
    return _Look(
        source,
        piece,
        is_last=(has_ended or is_earlier) and piece.next_offset >= piece.size,
        next_attempt=source.attempt + 1 if is_earlier else None,
        has_ended=has_ended,
    )


@router.get("/jobs/{job_id}/usage", tags=["jobs"], summary="What a job has used over its life")
def usage(
    job_id: str,
    parts: WithParts,
    who: WithCaller,
    attempt: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
) -> Usage:
    with parts.database.read() as connection:
        row = access.look(parts, connection, job_id, who, "usage")
    number = jobs.attempt_of(row, attempt)
    return read_usage(row, number, parts.executors.directory(Key(row.id, number)))
