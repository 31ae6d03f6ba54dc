"""A job's states as a timeline: when each began, how long it lasted, and a bar where it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kotta.models import JobState
from kotta_cli.render.states import COLORS, SIGNS
from kotta_cli.render.times import clock_time, duration

if TYPE_CHECKING:
    from kotta.models import JobDetail
    from kotta_cli.render.pages import Span

_STATE_CELLS = len("◐ staging_outputs") + 2
_DURATION_CELLS = len("59 min 59 s") + 2
_LEAST_CELLS, _MOST_CELLS = 8, 60


@dataclass(frozen=True)
class Step:
    """One state that a job was in.

    Attributes:
        seconds: how long, up to now if it is in it still; None for a final one.
    """

    status: JobState
    at: datetime
    attempt: int
    seconds: float | None


def steps_of(job: JobDetail, now: datetime) -> list[Step]:
    """Every state a job has been in, oldest first."""
    ends = [later.at for later in job.timeline[1:]] + [now]
    return [
        Step(
            step.status,
            step.at,
            step.attempt,
            None if step.status.is_terminal else max(0.0, (end - step.at).total_seconds()),
        )
        for step, end in zip(job.timeline, ends, strict=True)
    ]


def labels(steps: list[Step]) -> list[str]:
    """When each began, by the reader's clock; with the day, where they are of several."""
    days = {step.at.astimezone().date() for step in steps}
    return [
        (f"{step.at.astimezone():%m-%d} " if len(days) > 1 else "") + clock_time(step.at)
        for step in steps
    ]


def values(steps: list[Step], cells: int) -> list[list[Span]]:
    """What stands behind each label, in so many cells: state, duration, bar.

    The bars lie where their states lie in the whole, from the first to the last.
    """
    has_attempts = len({step.attempt for step in steps} - {0}) > 1
    room = cells - _STATE_CELLS - _DURATION_CELLS - (len("attempt 2  ") if has_attempts else 0)
    room = min(room, _MOST_CELLS) if room >= _LEAST_CELLS else 0
    total = sum(step.seconds or 0 for step in steps)
    begun, rows = 0.0, []
    for step in steps:
        color = COLORS[step.status]
        row: list[Span] = [
            (f"{f'{SIGNS[step.status]} {step.status.value}':<{_STATE_CELLS}}", color)
        ]
        lasted = "" if step.seconds is None else duration(step.seconds)
        row.append((f"{lasted:<{_DURATION_CELLS}}", ""))
        if has_attempts:
            row.append((f"{f'attempt {step.attempt}' if step.attempt else '':<11}", "dim"))
        if step.seconds is not None and room:
            row.append((_bar(begun, step.seconds, total, room), color))
            begun += step.seconds
        rows.append(row)
    return rows


def _bar(begun: float, seconds: float, total: float, cells: int) -> str:
    scale = cells / total if total else 0.0
    start = min(math.floor(begun * scale + 1e-9), cells - 1)
    length = round((begun + seconds) * scale) - start
    return " " * start + ("█" * length if length > 0 and seconds * scale >= 0.5 else "▏")
