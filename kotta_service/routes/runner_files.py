"""`/runner/…`: how a runner gets its inputs from S3, and puts its outputs there.

A runner is given URLs when it needs them, each for one file of its own job and for a while.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from sqlalchemy import Connection

from kotta.errors import ConflictError, NotFoundError, RequestError
from kotta.models import JobDescription
from kotta.models.signed import SignedFiles
from kotta_service.launching import InputGoneError, kept_input
from kotta_service.messages import (
    RunnerFile,
    RunnerInputs,
    RunnerSent,
    RunnerUploads,
    SignedUploads,
    result_files,
)
from kotta_service.parts import Parts, WithParts
from kotta_service.s3_inputs import SCHEME
from kotta_service.store import jobs as store
from kotta_service.store import queues
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import anybodys

router = APIRouter(prefix="/runner", tags=["runner"])
Token = Annotated[str, Header(alias="Authorization", max_length=1024)]


@router.post("/inputs", summary="Where a runner reads inputs that lie in S3")
def runner_inputs(wanted: RunnerInputs, parts: WithParts, authorization: Token = "") -> SignedFiles:
    with parts.database.read() as connection:
        row = _attempt(parts, connection, authorization, wanted.job_id, wanted.attempt)
        for url in wanted.inputs:
            if url not in row.description["inputs"]:
                raise NotFoundError(f"job {row.id} has no input {url}")
        urls = [_readable(parts, connection, row, url) for url in wanted.inputs]
    return SignedFiles(urls=urls, seconds=parts.settings.s3.signed_seconds)


@router.post("/uploads", summary="Where a runner sends outputs to")
def runner_uploads(
    wanted: RunnerUploads, parts: WithParts, authorization: Token = ""
) -> SignedUploads:
    with parts.database.read() as connection:
        row = _attempt(parts, connection, authorization, wanted.job_id, wanted.attempt)
    for file in wanted.files:
        _refuse_foreign(parts, row, file)
    return SignedUploads(
        uploads=[
            parts.storage.sign_upload(
                parts.storage.output(row.id, wanted.attempt, file.name),
                file.sha256,
                file.size_bytes,
                file.upload_id,
                file.first_part,
            )
            for file in wanted.files
        ]
    )


@router.post(
    "/uploads/finish",
    status_code=204,
    response_class=Response,
    summary="Make the parts that a runner has sent a file",
)
def finish_runner_upload(sent: RunnerSent, parts: WithParts, authorization: Token = "") -> Response:
    with parts.database.read() as connection:
        row = _attempt(parts, connection, authorization, sent.job_id, sent.attempt)
    _refuse_foreign(parts, row, sent)
    kept = parts.storage.output(row.id, sent.attempt, sent.name)
    parts.storage.finish_upload(kept, sent.sha256, sent.size_bytes, sent.upload_id, sent.parts)
    return Response(status_code=204)


def _attempt(
    parts: Parts, connection: Connection, authorization: str, job_id: str, attempt: int
) -> JobRow:
    """The job whose attempt asks, with every column.

    Raises:
        NotFoundError: it does not exist, or somebody else asks.
        ConflictError: it has ended, or is at another attempt.
    """
    row = store.by_id(connection, job_id, anybodys())
    token = authorization.removeprefix("Bearer ")
    if row is None or not parts.tokens.fits(token, job_id, attempt):
        raise NotFoundError(f"there is no job {job_id}")
    # at a cluster it may be at work before anybody has seen that it began
    if not queues.is_placed(row) or queues.placed_attempt(row) != attempt:
        raise ConflictError(f"attempt {attempt} of job {job_id} is over")
    return row


def _readable(parts: Parts, connection: Connection, row: JobRow, url: str) -> str:
    if url.startswith(SCHEME):
        return parts.s3_inputs.url(row.owner, url)
    try:
        kept, _ = kept_input(connection, parts.storage, row.owner, url)
    except InputGoneError as error:
        raise NotFoundError(error.message) from error
    return kept.url()


def _refuse_foreign(parts: Parts, row: JobRow, file: RunnerFile) -> None:
    declared = JobDescription.model_construct(**row.description).declared_outputs
    if file.name not in declared and file.name not in result_files(declared):
        raise NotFoundError(f"job {row.id} has no output {file.name}")
    limit = parts.settings.max_output_mib << 20
    if file.size_bytes > limit:
        raise RequestError(f"an output may hold {limit} bytes at most", code="too_large")
