"""`/admin`: a service's upkeep, for administrators."""

from __future__ import annotations

from fastapi import APIRouter

from kotta.models.requests import CheckRequest
from kotta.models.upkeep import CheckReport
from kotta_service import audit
from kotta_service.callers import WithAdmin
from kotta_service.parts import WithParts
from kotta_service.upkeep import turns
from kotta_service.upkeep.checking import Checker

router = APIRouter(prefix="/admin", tags=["upkeep"])


@router.post("/check", summary="Hold all that is kept to what is promised")
def check_service(wanted: CheckRequest, who: WithAdmin, parts: WithParts) -> CheckReport:
    audit.note("checks the service", who, contents=wanted.contents)
    with turns.reading(parts.data):
        return Checker(parts.database, parts.data, contents=wanted.contents).run()
