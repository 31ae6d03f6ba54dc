"""The live list of jobs: as many rows as the window has room for, and a line of counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from kotta_cli.render.job_table import counts, job_lines

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from kotta.models import Job

_OTHER_ROWS = 3
"""The header, the empty line and the counts."""


class JobScreen:
    """What rich draws again and again; newest job first."""

    def __init__(self, jobs: Sequence[Job], *, limit: int) -> None:
        self._jobs = {job.id: job for job in jobs}
        self._limit = limit
        # Many jobs can be submitted in one moment: among them, who came later is newer.
        self._arrivals = {job.id: number for number, job in enumerate(reversed(jobs))}

    def update(self, job: Job) -> None:
        """Show a job as it is now, and forget the oldest where there are too many."""
        self._arrivals.setdefault(job.id, len(self._arrivals))
        jobs = self._newest_first([*self._without(job).values(), job])
        # Replaced as a whole: the thread that draws never sees it half done.
        self._jobs = {kept.id: kept for kept in jobs[: self._limit]}

    def remove(self, job: Job) -> None:
        """Show a job no longer, if it was shown."""
        self._jobs = self._without(job)

    def last_picture(self, console: Console) -> RenderableType:
        """What stays on the terminal after the watch."""
        return self._picture(console.width, console.height, hint="")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._picture(options.max_width, console.height, hint="Ctrl-C ends the watch")

    def _picture(self, columns: int, rows: int, *, hint: str) -> RenderableType:
        jobs = self._newest_first(self._jobs.values())
        shown = jobs[: max(rows - _OTHER_ROWS - 1, 1)]
        footer = counts(jobs)
        if len(shown) < len(jobs):
            footer.append(f" · {len(jobs) - len(shown)} older below", style="dim")
        if hint:
            footer.append(f"  {hint}", style="dim")
        footer.truncate(columns - 1, overflow="ellipsis")
        return Group(*job_lines(shown, columns), Text(), footer)

    def _without(self, job: Job) -> dict[str, Job]:
        return {kept.id: kept for kept in self._jobs.values() if kept.id != job.id}

    def _newest_first(self, jobs: Iterable[Job]) -> list[Job]:
        return sorted(
            jobs, key=lambda job: (job.submitted_at, self._arrivals[job.id]), reverse=True
        )
