"""`/admin`: a service's upkeep, for administrators."""

from __future__ import annotations

import itertools

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from kotta.errors import RequestError
from kotta.models.requests import CheckRequest, PruneRequest
from kotta.models.upkeep import CheckReport, PruneReport
from kotta_service import audit
from kotta_service.callers import WithAdmin
from kotta_service.parts import WithParts
from kotta_service.upkeep import backup, retention, turns
from kotta_service.upkeep.checking import Checker

router = APIRouter(prefix="/admin", tags=["upkeep"])


@router.post("/check", summary="Hold all that is kept to what is promised")
def check_service(wanted: CheckRequest, who: WithAdmin, parts: WithParts) -> CheckReport:
    audit.note("checks the service", who, contents=wanted.contents)
    with turns.reading(parts.data):
        return Checker(parts.database, parts.storage, parts.data, contents=wanted.contents).run()


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
    return StreamingResponse(itertools.chain([first], chunks), media_type="application/x-tar")


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
