"""`/metrics`: figures for Prometheus, for administrators' tokens that may read."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from kotta.errors import ForbiddenError, NotFoundError
from kotta_service.callers import WithCaller
from kotta_service.parts import WithParts

router = APIRouter(tags=["health"])
# Source: Prometheus' exposition formats, text format
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/metrics",
    summary="Figures, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(found: WithCaller, parts: WithParts) -> Response:
    if not found.is_admin:
        raise ForbiddenError("that is for administrators", code="not_admin")
    if parts.metrics is None:
        raise NotFoundError("this service serves its user alone, and keeps no figures")
    text = await asyncio.to_thread(parts.metrics.text)
    return Response(text, media_type=CONTENT_TYPE)
