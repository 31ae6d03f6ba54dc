"""The fields of a job that a list can show or be sorted by, in words people type."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from kotta_cli.parameters import UsageProblem, one_of

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.job_arrays import JobArray

FIELDS = (
    "id", "owner", "name", "status", "queue", "jobtype", "submitted_at", "started_at", "ended_at",
    "elapsed", "reason", "exit_code", "signal", "error", "attempt", "tags", "cpus", "memory_mib",
    "walltime_seconds", "array", "array_index", "waits_for", "change",
)  # fmt: skip
"""`elapsed`: seconds since its command was started, to its end or to now."""
DEFAULT = ("id", "name", "status", "queue", "jobtype", "submitted_at")
WITH_OWNER = ("id", "owner", "name", "status", "elapsed", "submitted_at")
"""What a watch of others' jobs shows."""
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def fields_of(text: str) -> tuple[str, ...]:
    """Field names from comma-separated text.

    Raises:
        UsageProblem: one is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(one_of(name, list(FIELDS), "field of a job") for name in names)


def value_of(job: Job | JobArray, name: str, now: datetime) -> Any:
    """A field's value, None where there is none."""
    if name == "elapsed":
        if job.started_at is None:
            return None
        return max(0.0, ((job.ended_at or now) - job.started_at).total_seconds())
    value = getattr(job, name, None)  # an array has not all that a job has
    return getattr(value, "value", value)


def order_of(text: str) -> str:
    """The field that jobs are to be sorted by, with its `-`.

    Raises:
        UsageProblem: it is not known.
    """
    sign = "-" if text.startswith("-") else ""
    return sign + one_of(text.removeprefix("-"), list(FIELDS), "field of a job")


def sorted_by(jobs: Iterable[Job], order: str) -> list[Job]:
    """Jobs in the order of a field; `-name` is the other way round. What has none comes last."""
    name = order.removeprefix("-")
    now = datetime.now(timezone.utc)
    known, without = [], []
    for job in jobs:
        value = value_of(job, name, now)
        if value is None or value == []:
            without.append(job)
        else:
            known.append((value.lower() if isinstance(value, str) else value, job))
    known.sort(key=itemgetter(0), reverse=order.startswith("-"))
    return [job for _, job in known] + without


def since(text: str) -> datetime:
    """A moment from `2d`, `90min`, a date, or a date and time (of the reader's clock).

    Raises:
        UsageProblem: it is none of these.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :]
    try:
        if unit in _UNITS:
            return datetime.now(timezone.utc) - timedelta(seconds=float(number) * _UNITS[unit])
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError):
        raise UsageProblem(
            f"`--since {text}` is no time", hint="--since 2d, 90min, 2026-03-01 or 2026-03-01T12:00"
        ) from None
