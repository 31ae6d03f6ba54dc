"""How rows of the database look to a client."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection

from kotta.errors import ConflictError
from kotta.models import (
    Job,
    JobDescription,
    JobDetail,
    JobState,
    Output,
    Place,
    Queue,
    Transition,
)
from kotta_service.executors import QueueSize
from kotta_service.limits import Allowance
from kotta_service.settings import QueueSettings, Settings
from kotta_service.storage import Storage
from kotta_service.store import jobs as store
from kotta_service.store import queues, sharing
from kotta_service.store.jobs import JobRow
from kotta_service.store.queues import Load

MAX_SHOWN = 20

_SAME = (
    "id", "owner", "name", "status", "reason", "queue", "jobtype", "tags", "cpus", "memory_mib",
    "walltime_seconds", "attempt", "array", "array_index", "waits_for", "exit_code", "signal",
    "error", "change",
)  # fmt: skip
_DETAIL = (
    "staging_inputs_seconds", "processing_seconds", "staging_outputs_seconds", "cpu_seconds",
    "peak_memory_bytes",
)  # fmt: skip
_TIMES = ("submitted_at", "started_at", "ended_at")


def summary(row: JobRow) -> Job:
    return Job.model_validate(_summary_values(row))


def detail(
    connection: Connection,
    row: JobRow,
    storage: Storage,
    *,
    expires_at: float | None,
    with_readers: bool,
) -> JobDetail:
    """Everything about a job; `row` has every column.

    Args:
        expires_at: when it may be forgotten.
        with_readers: tell whom it is shared with, which is its owner's business.
    """
    readers = sharing.readers_of(connection, [row.number]) if with_readers else {}
    values = _summary_values(row)
    values.update((name, getattr(row, name)) for name in _DETAIL)
    return JobDetail.model_validate(
        {
            **values,
            "cancel_requested_at": _time(row.cancel_requested_at),
            "expires_at": _time(expires_at),
            "user_email": row.description.get("user_email", ""),
            "description": row.description,
            "result": row.result,
            "shared_with": readers.get(row.number, []),
            "outputs": _outputs(row, store.outputs_of(connection, row.number), storage),
            "timeline": [
                Transition(status=JobState(step.status), at=_moment(step.at), attempt=step.attempt)
                for step in store.transitions_of(connection, row.number)
            ],
        }
    )


def queue(name: str, settings: QueueSettings, load: Load, size: QueueSize | None = None) -> Queue:
    """A queue.

    Args:
        size: what its engine says of it, None where there is none, or no answer.
    """
    if size is None:
        # of what an engine counts, and does not tell, nothing is known but what is used
        cpus, memory_mib = (
            (settings.cpus, settings.memory_mib)
            if settings.is_counted
            else (load.cpus, load.memory_mib)
        )
        size = QueueSize(cpus, load.cpus, memory_mib, load.memory_mib)
    return Queue(
        name=name,
        executor=settings.executor,
        cpus=size.cpus,
        memory_mib=size.memory_mib,
        cpus_used=size.cpus_used,
        memory_used_mib=size.memory_used_mib,
        running=load.running,
        pending=load.pending,
        pending_after=load.pending_after,
        max_walltime_minutes=min(
            settings.max_walltime_minutes,
            size.max_walltime_minutes or settings.max_walltime_minutes,
        ),
    )


def place(
    connection: Connection,
    settings: Settings,
    row: JobRow,
    reader: str,
    engine_size: QueueSize | None = None,
) -> Place:
    """Where a job stands in its queue; `row` has at least the columns of a summary.

    Args:
        engine_size: what an engine says of its queue.
    """
    load = queues.loads(connection, with_pending=True).get(row.queue, Load())
    size = settings.queues.get(row.queue)
    if size is None:
        raise ConflictError(
            f"queue `{row.queue}` is no longer there, so this job cannot start",
            hint=f"kotta cancel {row.id}",
        )
    allowance = Allowance(connection, settings)
    head = next(allowance.in_turn(connection, row.queue, 1), None)
    lacks = ""
    if head is None or not size.is_counted:
        pass  # an engine knows itself what it has room for
    elif head.cpus > size.cpus - load.cpus:
        lacks = "cpus"
    elif head.memory_mib > size.memory_mib - load.memory_mib:
        lacks = "memory"
    # whose job stands before one is nobody else's business
    shown = head is not None and head.owner == reader and head.number != row.number
    # an executor has the others, for which nothing here is in the way
    waits_for_us = row.status == "pending" and row.handed_over_at is None
    # nor, to whom a job is shared with, what else its owner has
    needs = store.needed_by(connection, row.number, MAX_SHOWN) if row.owner == reader else []
    return Place(
        job=summary(row),
        position=queues.ahead_of(connection, row) + 1,
        needs=[summary(other) for other in needs],
        next_up=summary(head) if shown and head is not None and waits_for_us else None,
        head_lacks=lacks,
        limit=allowance.lack(row.owner, row.cpus) if waits_for_us else None,
        queue=queue(row.queue, size, load, engine_size),
        running=[
            summary(other) for other in queues.running_in(connection, row.queue, reader, MAX_SHOWN)
        ],
    )


def _summary_values(row: JobRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _SAME}
    values.update((name, _time(getattr(row, name))) for name in _TIMES)
    return values


def _outputs(row: JobRow, kept: list[JobRow], storage: Storage) -> list[Output]:
    if kept:
        return [
            Output(
                name=file.name,
                available=file.available,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                s3_url=storage.output(row.id, file.attempt, file.name).s3_url
                if file.available
                else None,
            )
            for file in kept
        ]
    declared = JobDescription.model_construct(**row.description).declared_outputs
    return [Output(name=name, available=False) for name in declared]


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
