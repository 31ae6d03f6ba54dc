"""Rows of jobs: a table on a terminal, tab-separated full values in a pipe."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kotta.models import JobState
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, paint, status_word
from kotta_cli.render.times import ago, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.text import Text

    from kotta.models import Job

_SHORT = 8
_ROOM_FOR_TYPE = 80
_ROOM_FOR_QUEUE = 70


def tab_separated(job: Job, *, color: bool = False) -> str:
    """A job's id, name, status, queue, type and time of submission."""
    status = paint(job.status.value, COLORS[job.status], color)
    fields = (job.id, job.name, status, job.queue, job.jobtype, rfc3339(job.submitted_at))
    return "\t".join(field if field is status else one_line(field) for field in fields)


def job_lines(jobs: Sequence[Job], columns: int) -> list[Text]:
    """A header and a line for each job, for a terminal of this many columns."""
    from rich.text import Text

    from kotta_cli.render.columns import columns_of

    now = datetime.now(timezone.utc)
    length = short_length([job.id for job in jobs])
    cells: dict[str, Callable[[Job], Text]] = {
        "ID": lambda job: Text(job.id[:length], style="cyan"),
        "NAME…": lambda job: Text(one_line(job.name)),
        "STATUS": lambda job: Text(status_word(job.status), style=COLORS[job.status]),
        "QUEUE": lambda job: Text(one_line(job.queue)),
        "TYPE": lambda job: Text(one_line(job.jobtype)),
        "SUBMITTED": lambda job: Text(ago(job.submitted_at, now), style="dim"),
    }
    if columns < _ROOM_FOR_TYPE:
        del cells["TYPE"]
    if columns < _ROOM_FOR_QUEUE:
        del cells["QUEUE"]
    rows = [[cell(job) for cell in cells.values()] for job in jobs]
    return columns_of(list(cells), rows, width=columns)


def counts(jobs: Iterable[Job]) -> Text:
    """How many jobs are in each state, in words, such as `2 processing · 1 failed`."""
    from rich.text import Text

    states = [job.status for job in jobs]
    parts = [
        Text(f"{states.count(state)} {state.value}", style=COLORS[state])
        for state in JobState
        if state in states
    ]
    return Text(" · ").join(parts) if parts else Text("no jobs")


def short_length(ids: Sequence[str]) -> int:
    """How many characters of the ids tell them apart, at least 8."""
    length = _SHORT
    while length < 36 and len({job_id[:length] for job_id in ids}) < len(set(ids)):
        length += 1
    return length
