"""`/admin`: a service's upkeep, for administrators."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from kotta.errors import RequestError
from kotta.models.requests import CheckRequest, LifecycleRequest, PruneRequest
from kotta.models.upkeep import CheckReport, Lifecycle, PruneReport
from kotta_service import audit
from kotta_service.callers import WithAdmin
from kotta_service.file_answers import closed_at_last
from kotta_service.parts import WithParts
from kotta_service.s3_settings import split_url
from kotta_service.storage import lifecycle
from kotta_service.storage.files import not_direct
from kotta_service.upkeep import apart, backup, retention, turns

router = APIRouter(prefix="/admin", tags=["upkeep"])


@router.post("/check", summary="Hold all that is kept to what is promised")
def check_service(wanted: CheckRequest, who: WithAdmin, parts: WithParts) -> CheckReport:
    audit.note("checks the service", who, contents=wanted.contents)
    with turns.reading(parts.data):
        return apart.check(parts.settings, parts.data, contents=wanted.contents)


@router.get(
    "/backup",
    response_class=Response,
    responses={200: {"content": {"application/x-tar": {}}}},
    summary="All that the service must not lose, as a tar archive",
)
def back_up(who: WithAdmin, parts: WithParts) -> Response:
    backup.refuse_elsewhere(parts.database, parts.storage)
    audit.note("backs up the service", who)
    chunks = backup.stream(parts.data, parts.storage)
    # what is refused is refused before the answer has begun
    first = next(chunks)
    return StreamingResponse(closed_at_last(_all_of(first, chunks)), media_type="application/x-tar")


@router.post("/prune", summary="Forget what ended long ago")
def prune(wanted: PruneRequest, who: WithAdmin, parts: WithParts) -> PruneReport:
    keep = parts.settings.keep
    seconds, storage_mib = wanted.older_than_seconds, wanted.storage_mib
    if seconds is None and storage_mib is None:
        seconds, storage_mib = retention.seconds(keep), keep.storage_mib
    if seconds is None and storage_mib is None:
        raise RequestError(
            "nothing says what may be forgotten",
            hint="--older-than 90d or --storage-mib N, or [keep] in the service's settings",
        )
    audit.note("prunes the service", who, **wanted.model_dump(exclude_none=True))
    return retention.prune(parts, seconds, storage_mib, dry_run=wanted.dry_run)


@router.post("/lifecycle", summary="What the bucket does with what grows old")
def lifecycle_policy(wanted: LifecycleRequest, who: WithAdmin, parts: WithParts) -> Lifecycle:
    settings = parts.settings
    if not settings.storage:
        raise not_direct()
    bucket, prefix = split_url(settings.storage)
    policy = lifecycle.policy(f"{prefix}/" if prefix else "", settings.s3, wanted)
    if wanted.apply:
        audit.note("sets the lifecycle of the bucket", who, **wanted.model_dump())
        lifecycle.apply(parts.storage, policy)
    return Lifecycle(bucket=bucket, applied=wanted.apply, policy=policy)


def _all_of(first: bytes, chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    with contextlib.closing(chunks):
        yield first
        yield from chunks
