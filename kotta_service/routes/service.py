"""`/service` and `/queues`: the service about itself."""

from __future__ import annotations

import os
import resource
import sys
from datetime import datetime, timezone
from typing import Any

from fastapi import APIRouter, Response

from kotta._version import __version__
from kotta.models import QueuePage, ServiceInfo
from kotta_service import audit, views
from kotta_service.callers import Owner, WithAdmin, WithCaller
from kotta_service.parts import Parts, WithParts
from kotta_service.store import queues as store
from kotta_service.store.queues import Load

router = APIRouter(tags=["service"])


@router.get("/service", summary="Which service this is, and what it does now")
def service(parts: WithParts, who: WithCaller) -> ServiceInfo:
    with parts.database.read() as connection:
        loads = store.loads(connection, with_pending=True).values()
    return ServiceInfo(
        version=__version__,
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        started_at=datetime.fromtimestamp(parts.started_at, timezone.utc),
        idle_stop_seconds=parts.settings.idle_stop_seconds or None,
        pending_jobs=sum(load.pending for load in loads),
        active_jobs=sum(load.running for load in loads),
        storage_problem=parts.storage_watch.last_problem,
        **_machine(parts) if who.sees_all else {"address": parts.url},
    )


@router.post(
    "/service/stop", status_code=202, response_class=Response, summary="Leave; jobs run on"
)
async def stop(parts: WithParts, who: WithAdmin) -> Response:
    audit.note("stops the service", who)
    parts.stop()
    return Response(status_code=202)


def _machine(parts: Parts) -> dict[str, Any]:
    """Where on its machine the service is: for who keeps it, and nobody else."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "address": parts.address,
        "pid": os.getpid(),
        "data_directory": str(parts.data),
        "log_file": str(parts.log_file) if parts.log_file else None,
        # Source: getrusage(2): kilobytes on Linux, bytes on macOS
        "peak_memory_bytes": peak if sys.platform == "darwin" else peak * 1024,
    }


@router.get("/queues", summary="What runs, what waits, what fits")
def queues(parts: WithParts, _: Owner) -> QueuePage:
    with parts.database.read() as connection:
        loads = store.loads(connection, with_pending=True)
    return QueuePage(
        queues=[
            views.queue(name, queue, loads.get(name, Load()), parts.executors.size(name))
            for name, queue in parts.settings.queues.items()
        ]
    )
