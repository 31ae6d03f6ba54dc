"""Following what a job uses until it has ended: what `usage --watch` does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kotta_cli.render.drawing import drawn
from kotta_cli.render.usage_rows import usage_rows

if TYPE_CHECKING:
    from kotta.models import Job, Usage
    from kotta_cli.context import App

LOOK_SECONDS = 1.0
"""Samples are taken so often."""


def watch_usage(app: App, job: Job) -> int:
    """Show every sample as it comes, until the job has ended, or Ctrl-C."""
    try:
        if app.out.is_smart:
            _draw(app, job)
        else:
            _print_rows(app, job)
    except KeyboardInterrupt:
        # It is how one leaves a watch, and no failure.
        return 0
    return 0


def _looks(app: App, job: Job) -> Iterator[tuple[Job, Usage]]:
    """The job and what it has used, again and again, for the last time after its end."""
    while True:
        usage = app.client.usage(job)
        yield job, usage
        if job.status.is_terminal:
            return
        job = app.client.status(job, wait_seconds=LOOK_SECONDS)


def _print_rows(app: App, job: Job) -> None:
    from kotta_cli.output_readers import leave_with_reader

    leave_with_reader(app.out)
    attempt, told = 0, -1.0
    for _, usage in _looks(app, job):
        if usage.attempt != attempt:
            attempt, told = usage.attempt, -1.0
        # samples are thinned out now and then: what was told is known by its time, not its place
        new = [sample for sample in usage.samples if sample.seconds > told]
        if new:
            app.out.write(usage_rows(new))
            told = new[-1].seconds


def _draw(app: App, job: Job) -> None:
    from rich.live import Live
    from rich.text import Text

    from kotta_cli.commands.usage import no_samples
    from kotta_cli.render.usage_page import rows_within, usage_lines

    console = app.out.console()
    last = Text(no_samples(job))
    with app.holding_notes():
        try:
            with drawn(Live(last, console=console, screen=True, auto_refresh=False)) as live:
                for now, usage in _looks(app, job):
                    lines = [no_samples(now)]
                    if usage.samples:
                        rows = rows_within(console.height)
                        lines = usage_lines(now, usage, app.out, rows)
                    last = Text.from_ansi("\n".join(lines), no_wrap=True)
                    live.update(last, refresh=True)
        finally:
            console.print(last)
