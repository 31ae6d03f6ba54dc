"""The live list of jobs: as many rows as the window has room for, and a line of counts."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from kotta.models.job import ACTIVE_STATES
from kotta_cli.job_fields import sorted_by
from kotta_cli.render.job_table import counts, job_lines

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from kotta.models import Job

_OTHER_ROWS = 3
"""The header, the empty line and the counts."""


class JobScreen:
    """What rich draws again and again; newest job first.

    One thread may change it while another draws.

    Args:
        jobs: newest first.
        limit: of more, the oldest are forgotten; None for none.
        fields: which to show; by default those there is room for.
        order: the field to sort by, "" for newest first.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        limit: int | None,
        fields: Sequence[str] = (),
        order: str = "",
    ) -> None:
        # in the order in which they were submitted: many can be in one moment
        self._jobs = {job.id: job for job in reversed(jobs)}
        self._limit, self._fields, self._order = limit, tuple(fields), order

    def update(self, job: Job) -> None:
        """Show a job as it is now, and forget the oldest where there are too many."""
        is_full = self._limit is not None and len(self._jobs) >= self._limit
        if is_full and job.id not in self._jobs:
            oldest = next(iter(self._jobs.values()))
            if job.submitted_at < oldest.submitted_at:
                return
            del self._jobs[oldest.id]
        self._jobs[job.id] = job

    def remove(self, job: Job) -> None:
        """Show a job no longer, if it was shown."""
        self._jobs.pop(job.id, None)

    def last_picture(self, console: Console) -> RenderableType:
        """What stays on the terminal after the watch."""
        return self._picture(console.width, console.height, hint="")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._picture(options.max_width, console.height, hint="Ctrl-C ends the watch")

    def _picture(self, columns: int, rows: int, *, hint: str) -> RenderableType:
        jobs = list(self._jobs.values())
        shown = self._chosen(jobs, max(rows - _OTHER_ROWS - 1, 1))
        footer = counts(jobs)
        if len(shown) < len(jobs):
            footer.append(f" · {len(jobs) - len(shown)} not shown", style="dim")
        if hint and footer.cell_len + len(hint) + 2 < columns:
            footer.append(f"  {hint}", style="dim")
        footer.truncate(columns - 1, overflow="ellipsis")
        return Group(*job_lines(shown, columns, self._fields), Text(), footer)

    def _chosen(self, jobs: list[Job], room: int) -> list[Job]:
        """The rows of a picture; where not all have room, those where something happens."""
        if self._order:
            return sorted_by(reversed(jobs), self._order)[:room]
        numbered = list(enumerate(jobs))
        if len(numbered) > room:
            numbered = nlargest(room, numbered, key=_liveliness)
        return [job for _, job in sorted(numbered, key=_age, reverse=True)]


def _liveliness(numbered: tuple[int, Job]) -> tuple[bool, int]:
    job = numbered[1]
    return job.status in ACTIVE_STATES, job.change


def _age(numbered: tuple[int, Job]) -> tuple[datetime, int, int]:
    # many are submitted in one moment: among them, a later one of an array is newer, or who came
    # later
    number, job = numbered
    return job.submitted_at, job.array_index or 0, number
