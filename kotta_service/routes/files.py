"""Bytes in and out: uploads, outputs, and the streams of a job."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path as FilePath
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse

from kotta.errors import NotFoundError
from kotta.models import JobDescription, UploadMissing
from kotta.models.requests import UploadCheck
from kotta_service import jobs
from kotta_service.executors import Key
from kotta_service.feed import MAX_WAIT_SECONDS
from kotta_service.parts import Owner, Parts, WithParts
from kotta_service.store import jobs as store
from kotta_service.store import uploads
from kotta_service.store.jobs import JobRow

router = APIRouter()
MAX_LOG_BYTES = 1 << 20
LOG_LOOK_SECONDS = 0.1
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Stream = Literal["stdout", "stderr"]


@router.post("/uploads/check", tags=["files"], summary="Which contents are not here yet")
def check_uploads(wanted: UploadCheck, parts: WithParts, owner: Owner) -> UploadMissing:
    with parts.database.read() as connection:
        return UploadMissing(missing=uploads.missing(connection, owner, wanted.sha256))


@router.put("/uploads/{sha256}", status_code=201, tags=["files"], summary="Upload a file's bytes")
async def upload(
    sha256: Sha256, request: Request, response: Response, parts: WithParts, owner: Owner
) -> None:
    limit = parts.settings.max_upload_mib << 20
    size = await parts.storage.keep_upload(sha256, request.stream(), limit)
    is_new = await asyncio.wrap_future(
        parts.database.write(lambda tx: uploads.keep(tx, owner, sha256, size, time.time()))
    )
    if not is_new:
        response.status_code = 200


@router.get(
    "/jobs/{job_id}/outputs/{name}",
    tags=["files"],
    response_class=FileResponse,
    responses={204: {"description": "Its path on this machine, in `Kotta-Path`"}},
    summary="An output's bytes, or where they lie",
)
def output(
    job_id: str,
    name: str,
    parts: WithParts,
    owner: Owner,
    kotta_accept: Annotated[Literal["path"] | None, Header()] = None,
) -> Response:
    with parts.database.read() as connection:
        jobs.own_job(connection, job_id, owner)
        found = store.output(connection, job_id, name, owner)
    if found is None:
        raise NotFoundError(
            f"job {job_id} has no output `{name}`", hint=f"kotta status {job_id} lists its outputs"
        )
    path = parts.storage.output_directory(job_id, found.attempt) / found.name
    headers = {"ETag": f'"{found.sha256}"', "X-Content-Type-Options": "nosniff"}
    if kotta_accept == "path" and parts.address.startswith("unix:"):
        # whoever reaches the socket is this user on this machine, and reads a file faster than HTTP
        return Response(status_code=204, headers={**headers, "Kotta-Path": quote(str(path))})
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


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
    owner: Owner,
    offset: Annotated[int, Query(ge=0, lt=1 << 62)] = 0,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS)] = 0,
) -> Response:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        chunk, ended = await asyncio.to_thread(_read_log, parts, owner, job_id, stream, offset)
        if chunk or ended or loop.time() >= deadline or parts.feed.closed:
            break
        # no file system tells all readers when a file grows: look, as cheaply as a stat is
        await asyncio.sleep(LOG_LOOK_SECONDS)
    headers = {"Kotta-Next-Offset": str(offset + len(chunk))}
    if ended:
        headers["Kotta-Log-Ended"] = "true"
    return Response(chunk, media_type="application/octet-stream", headers=headers)


def _read_log(
    parts: Parts, owner: str, job_id: str, stream: Stream, offset: int
) -> tuple[bytes, bool]:
    with parts.database.read() as connection:
        row = jobs.own_job(connection, job_id, owner)
    chunk = b""
    for path in _log_paths(parts, row, stream):
        try:
            with path.open("rb") as file:
                chunk = os.pread(file.fileno(), MAX_LOG_BYTES, offset)
            break
        except FileNotFoundError:
            continue
    return chunk, row.status in jobs.TERMINAL and len(chunk) < MAX_LOG_BYTES


def _log_paths(parts: Parts, row: JobRow, stream: Stream) -> list[FilePath]:
    """Where a stream lies while its job runs, and where its runner moves it afterwards."""
    description = JobDescription.model_construct(**row.description)
    names = {"stdout": description.output_file_stdout, "stderr": description.output_file_stderr}
    if stream == "stderr" and names["stderr"] == names["stdout"]:
        return []
    key = Key(row.id, row.attempt)
    return [
        parts.executor.directory(key) / stream,
        parts.storage.output_directory(row.id, row.attempt) / names[stream],
    ]
