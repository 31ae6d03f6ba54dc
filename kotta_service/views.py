"""How rows of the database look to a client."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection

from kotta.models import Job, JobDescription, JobDetail, JobState, Output, Transition
from kotta_service.store import jobs as store
from kotta_service.store.jobs import JobRow

_SAME = (
    "id", "name", "status", "reason", "queue", "jobtype", "tags", "cpus", "memory_mib",
    "walltime_seconds", "attempt", "exit_code", "signal", "error", "change",
)  # fmt: skip
_DETAIL = (
    "staging_inputs_seconds", "processing_seconds", "staging_outputs_seconds", "cpu_seconds",
    "peak_memory_bytes",
)  # fmt: skip
_TIMES = ("submitted_at", "started_at", "ended_at")


def summary(row: JobRow) -> Job:
    return Job.model_validate(_summary_values(row))


def detail(connection: Connection, row: JobRow) -> JobDetail:
    """Everything about a job; `row` has every column."""
    values = _summary_values(row)
    values.update((name, getattr(row, name)) for name in _DETAIL)
    return JobDetail.model_validate(
        {
            **values,
            "cancel_requested_at": _time(row.cancel_requested_at),
            "user_email": row.description.get("user_email", ""),
            "description": row.description,
            "result": row.result,
            "outputs": _outputs(row, store.outputs_of(connection, row.number)),
            "timeline": [
                Transition(status=JobState(step.status), at=_moment(step.at), attempt=step.attempt)
                for step in store.transitions_of(connection, row.number)
            ],
        }
    )


def _summary_values(row: JobRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _SAME}
    values.update((name, _time(getattr(row, name))) for name in _TIMES)
    return values


def _outputs(row: JobRow, kept: list[JobRow]) -> list[Output]:
    if kept:
        return [
            Output(
                name=file.name,
                available=file.available,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
            )
            for file in kept
        ]
    declared = JobDescription.model_construct(**row.description).declared_outputs
    return [Output(name=name, available=False) for name in declared]


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
