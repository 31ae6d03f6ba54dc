"""Following the list of jobs as it changes: what `list --watch` does."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from kotta.models import Job
    from kotta_cli.context import App


@dataclass(frozen=True)
class Filter:
    """Which jobs are shown; the same rules as the service's, for what the change feed brings."""

    states: tuple[str, ...] = ()
    queue: str | None = None
    name: str | None = None
    tag: str | None = None
    array: str | None = None
    since: datetime | None = None

    def asked(self) -> dict[str, Any]:
        """The same for the service, as `Kotta.list` takes it."""
        return {
            "status": self.states,
            "queue": self.queue,
            "name": self.name,
            "tag": self.tag,
            "array": self.array,
            "since": self.since,
        }

    def shows(self, job: Job) -> bool:
        return (
            (not self.states or job.status.value in self.states)
            and self.queue in (None, job.queue)
            and (self.name is None or fnmatch.fnmatchcase(job.name, self.name))
            and (self.tag is None or self.tag in job.tags)
            and self.array in (None, job.array)
            and (self.since is None or job.submitted_at >= self.since)
        )


def watch_jobs(app: App, wanted: Filter, *, limit: int) -> int:
    """Show the newest `limit` jobs, then every change of one, until Ctrl-C or the reader leaves."""
    page = app.client.list(**wanted.asked(), limit=limit)
    app.remember(page.jobs)
    changes = (change.job for change in app.client.watch(after=page.change))
    try:
        if app.as_json or not app.out.is_smart:
            _print_lines(app, page.jobs, filter(wanted.shows, changes))
        else:
            _draw(app, page.jobs, changes, wanted, limit)
    except KeyboardInterrupt:
        # It is how one leaves a watch, and no failure.
        return 0
    return 0


def _print_lines(app: App, jobs: list[Job], changes: Iterator[Job]) -> None:
    from itertools import chain

    from kotta_cli.render.as_json import print_json_line
    from kotta_cli.render.job_table import tab_separated

    for job in chain(reversed(jobs), changes):
        if app.as_json:
            print_json_line(app, job)
        else:
            app.print(tab_separated(job, color=app.out.color))


def _draw(app: App, jobs: list[Job], changes: Iterator[Job], wanted: Filter, limit: int) -> None:
    from rich.live import Live

    from kotta_cli.render.job_screen import JobScreen

    screen = JobScreen(jobs, limit=limit)
    console = app.out.console()
    with app.holding_notes():
        try:
            # On the alternate screen every picture begins at the top, so no change of the window's
            # size can leave parts of an old one behind.
            with Live(screen, console=console, screen=True, refresh_per_second=4):
                for job in changes:
                    if wanted.shows(job):
                        screen.update(job)
                    else:
                        screen.remove(job)
        finally:
            console.print(screen.last_picture(console))
