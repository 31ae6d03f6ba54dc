"""One line on stderr that follows jobs to their end, and what remains of it afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from kotta.models import JobState
from kotta_cli.render.drawing import drawn
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, SIGNS, ending, paint
from kotta_cli.render.times import so_far

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from kotta.models import Job
    from kotta_cli.context import App


MAX_ENDINGS = 10
_ROOM_FOR_LONG_BAR = 100


class LiveLine:
    """The states of some jobs, as a line that rich redraws."""

    def __init__(self, jobs: Sequence[Job], *, unicode: bool) -> None:
        from rich.spinner import Spinner

        self._jobs = {job.id: job for job in jobs}
        self._began = time.monotonic()
        self._spinner = Spinner("dots" if unicode else "line")

    def update(self, job: Job) -> None:
        """Show a job as it is now."""
        self._jobs[job.id] = job

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        line = Text()
        line.append_text(cast(Text, self._spinner.render(console.get_time())))
        line.append(" ")
        if len(self._jobs) > 1:
            line.append_text(self._bar(options.max_width)).append("  ")
        line.append_text(self._words())
        line.append(f"  {so_far(time.monotonic() - self._began)}", style="dim")
        line.truncate(options.max_width - 1, overflow="ellipsis")
        yield line

    def _bar(self, width: int) -> Text:
        from rich.text import Text

        ended = sum(job.status.is_terminal for job in self._jobs.values())
        cells = 20 if width >= _ROOM_FOR_LONG_BAR else 10
        full = cells * ended // len(self._jobs)
        count = f" {ended} of {len(self._jobs)} ended"
        return Text.assemble(("█" * full, "green"), ("·" * (cells - full), "dim"), count)

    def _words(self) -> Text:
        from rich.text import Text

        from kotta_cli.render.job_table import counts

        if len(self._jobs) > 1:
            return counts(self._jobs.values())
        (job,) = self._jobs.values()
        state = Text(job.status.value, style=COLORS[job.status])
        return Text.assemble(state, "  ", one_line(job.name), (f"  {job.id[:8]}", "dim"))


@contextmanager
def following(app: App, jobs: Sequence[Job]) -> Iterator[Any]:
    """Draw the line while the body waits; the result takes each job that has changed.

    Where no line can be drawn, as in a pipe, each change is told on a line with the time.
    """
    if app.shows_progress:
        from rich.live import Live

        line = LiveLine(jobs, unicode=app.err.unicode)
        console = app.err.console()
        live = Live(line, console=console, transient=True, refresh_per_second=10)
        with drawn(live), app.drawing_on(console):
            yield line.update
    elif app.quiet or app.as_json:
        yield None
    else:
        from kotta_cli.render.state_lines import StateLines

        yield StateLines(app, jobs).update


def note_endings(app: App, jobs: Sequence[Job]) -> None:
    """Say where the line was how each job ended; of many, those that did not complete."""
    if not app.shows_progress:
        return
    told = list(jobs)
    if len(jobs) > MAX_ENDINGS:
        told = [job for job in jobs if job.status is not JobState.COMPLETED][:MAX_ENDINGS]
    for job in told:
        sign = paint(SIGNS[job.status], COLORS[job.status], app.err.color)
        app.note(f"{sign} {one_line(job.name)} {ending(job)}")
    if len(told) < len(jobs):
        from kotta_cli.render.job_table import counts_in_words

        app.note(f"{len(jobs)} jobs: {counts_in_words(jobs, color=app.err.color)}")
