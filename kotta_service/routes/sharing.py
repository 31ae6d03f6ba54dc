"""`/jobs/share`: letting others see jobs."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from kotta.errors import ConflictError
from kotta.models import SharedJob, ShareReply
from kotta.models.requests import ShareRequest
from kotta_service import audit, sharing
from kotta_service.callers import WithCaller
from kotta_service.parts import WithParts

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.post("/share", summary="Let others see jobs, or nobody any more")
async def share(wanted: ShareRequest, parts: WithParts, who: WithCaller) -> ShareReply:
    if not parts.is_shared:
        raise ConflictError(
            "there is nobody to share with: this service is yours alone",
            hint="kotta login https://… talks to a shared one",
        )
    sharing.refuse_excess(wanted.jobs, wanted.readers)
    rows = await asyncio.wrap_future(
        parts.database.write(
            lambda transaction: sharing.share(
                transaction, who.name, wanted.jobs, wanted.readers, replace=wanted.replace
            )
        )
    )

    def look() -> list[SharedJob]:
        with parts.database.read() as connection:
            return sharing.told(connection, rows)

    found = await asyncio.to_thread(look)
    names = ",".join(wanted.readers) or "nobody"
    audit.note("shared jobs", who, jobs=len(found), first=found[0].id, readers=names)
    return ShareReply(jobs=found)
