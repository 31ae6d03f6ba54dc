"""The fields of a job that a list can show or be sorted by, in words people type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from kotta_cli.parameters import UsageProblem, one_of

if TYPE_CHECKING:
    from kotta.models import Job

FIELDS = (
    "id", "name", "status", "queue", "jobtype", "submitted_at", "started_at", "ended_at",
    "elapsed", "reason", "exit_code", "signal", "error", "attempt", "tags", "cpus", "memory_mib",
    "walltime_seconds", "array", "array_index", "waits_for", "change",
)  # fmt: skip
"""`elapsed`: seconds since its command was started, to its end or to now."""
DEFAULT = ("id", "name", "status", "queue", "jobtype", "submitted_at")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def fields_of(text: str) -> tuple[str, ...]:
    """Field names from comma-separated text.

    Raises:
        UsageProblem: one is not known.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(one_of(name, list(FIELDS), "field of a job") for name in names)


def value_of(job: Job, name: str, now: datetime) -> Any:
    """A field's value, None where there is none."""
    if name == "elapsed":
        if job.started_at is None:
            return None
        return max(0.0, ((job.ended_at or now) - job.started_at).total_seconds())
    value = getattr(job, name)
    return getattr(value, "value", value)


def sorted_by(jobs: Sequence[Job], text: str) -> list[Job]:
    """Jobs in the order of a field; `-name` is the other way round. What has none comes last.

    Raises:
        UsageProblem: the field is not known.
    """
    name = one_of(text.removeprefix("-"), list(FIELDS), "field of a job")
    now = datetime.now(timezone.utc)
    known = [job for job in jobs if value_of(job, name, now) not in (None, [])]
    without = [job for job in jobs if value_of(job, name, now) in (None, [])]
    key: Callable[[Job], Any] = lambda job: _comparable(value_of(job, name, now))  # noqa: E731
    return sorted(known, key=key, reverse=text.startswith("-")) + without


def _comparable(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


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
