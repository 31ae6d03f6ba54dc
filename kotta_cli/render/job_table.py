"""Rows of jobs: a table on a terminal, tab-separated full values in a pipe."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kotta.models import JobState
from kotta_cli.job_fields import DEFAULT, value_of
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, SIGNS, paint, status_word
from kotta_cli.render.times import ago, duration, rfc3339, size, so_far

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.text import Text

    from kotta.models import Job
    from kotta_cli.job_arrays import JobArray

_SHORT = 8
_ON_TERMINAL = ("id", "name", "status", "elapsed", "queue", "jobtype", "submitted_at")
_ROOM_FOR = {"queue": 70, "elapsed": 80, "jobtype": 100}
"""Columns that a terminal must have for these fields to be shown unasked."""
_WORST_FIRST = (
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.STAGING_OUTPUTS,
    JobState.PROCESSING,
    JobState.STAGING_INPUTS,
    JobState.PENDING,
    JobState.COMPLETED,
    JobState.UNSUBMITTED,
)
_HEADS = {
    "jobtype": "TYPE",
    "submitted_at": "SUBMITTED",
    "started_at": "STARTED",
    "ended_at": "ENDED",
    "exit_code": "EXIT",
    "memory_mib": "MEMORY",
    "walltime_seconds": "WALLTIME",
    "array_index": "INDEX",
}


def tab_separated(
    job: Job | JobArray, fields: Sequence[str] = DEFAULT, *, color: bool = False
) -> str:
    """A job's fields as plain text; what is not known is empty."""
    now = datetime.now(timezone.utc)
    return "\t".join(_plain(job, name, now, color) for name in fields)


def job_lines(
    jobs: Sequence[Job | JobArray],
    columns: int,
    fields: Sequence[str] = (),
    *,
    with_owner: bool = False,
) -> list[Text]:
    """A header and a line for each job or array, for a terminal of this many columns.

    Args:
        fields: which; by default those that there is room for.
        with_owner: by default, say whose they are as well.
    """
    from kotta_cli.render.columns import columns_of

    now = datetime.now(timezone.utc)
    length = short_length([job.id for job in jobs])
    usual = (_ON_TERMINAL[0], "owner", *_ON_TERMINAL[1:]) if with_owner else _ON_TERMINAL
    shown = fields or [name for name in usual if columns >= _ROOM_FOR.get(name, 0)]
    # the first text that may be long is the column that gives way
    flexible = next((name for name in ("name", "error", "tags") if name in shown), "")
    heads = [_HEADS.get(name, name.upper()) + ("…" if name == flexible else "") for name in shown]
    rows = [[_cell(job, name, now, length) for name in shown] for job in jobs]
    return columns_of(heads, rows, width=columns)


def _cell(job: Job | JobArray, name: str, now: datetime, id_length: int) -> Text:
    from rich.text import Text

    from kotta_cli.job_arrays import JobArray

    value = value_of(job, name, now)
    if name == "name" and isinstance(job, JobArray):
        count = f"  {'' if job.is_whole else 'last '}{len(job.jobs)} jobs: "
        return Text.assemble(one_line(value), (count, "dim")).append_text(_signs(job.jobs))
    if value is None or value == []:
        return Text("-", style="dim")
    if name == "id":
        return Text(job.id[:id_length], style="cyan")
    if name == "array":
        return Text(str(value)[:_SHORT], style="cyan")
    if name == "status":
        return Text(status_word(job.status), style=COLORS[job.status])
    if name.endswith("_at"):
        return Text(ago(value, now), style="dim")
    if name == "elapsed":
        return Text(duration(value) if job.ended_at else so_far(value))
    if name == "walltime_seconds":
        return Text(duration(value))
    if name == "memory_mib":
        return Text(size(value << 20))
    return Text(one_line(", ".join(value) if isinstance(value, list) else str(value)))


def _plain(job: Job | JobArray, name: str, now: datetime, color: bool) -> str:
    value = value_of(job, name, now)
    if value is None:
        return ""
    if name == "status":
        return paint(job.status.value, COLORS[job.status], color)
    if isinstance(value, datetime):
        return rfc3339(value)
    if name == "elapsed":
        return f"{value:.3f}"
    return one_line(",".join(value) if isinstance(value, list) else str(value))


def counts(jobs: Iterable[Job]) -> Text:
    """How many jobs are in each state, in words, such as `2 processing · 1 failed`."""
    from rich.text import Text

    parts = [Text(f"{n} {state.value}", style=COLORS[state]) for state, n in _counted(jobs)]
    return Text(" · ").join(parts) if parts else Text("no jobs")


def _signs(jobs: Iterable[Job]) -> Text:
    """The same in little room, by the signs that stand before the words elsewhere."""
    from rich.text import Text

    worst_first = sorted(_counted(jobs), key=lambda counted: _WORST_FIRST.index(counted[0]))
    return Text(" ").join(
        Text(f"{SIGNS[state]}{n}", style=COLORS[state]) for state, n in worst_first
    )


def counts_in_words(jobs: Iterable[Job], *, color: bool) -> str:
    """The same for a line that rich has no part in."""
    parts = [paint(f"{n} {state.value}", COLORS[state], color) for state, n in _counted(jobs)]
    return " · ".join(parts) or "no jobs"


def _counted(jobs: Iterable[Job]) -> list[tuple[JobState, int]]:
    found = Counter(job.status for job in jobs)
    return [(state, found[state]) for state in JobState if found[state]]


def short_length(ids: Sequence[str]) -> int:
    """How many characters of the ids tell them apart, at least 8."""
    length = _SHORT
    while length < 36 and len({job_id[:length] for job_id in ids}) < len(set(ids)):
        length += 1
    return length
