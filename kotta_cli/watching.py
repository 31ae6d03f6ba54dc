"""Following the list of jobs as it changes: what `list --watch` does."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kotta_cli.listing import Filter, Listing, read_for_watching
from kotta_cli.render.drawing import drawn

if TYPE_CHECKING:
    from kotta.errors import KottaError
    from kotta.models import Change, Job
    from kotta_cli.context import App
    from kotta_cli.render.job_screen import JobScreen

FRAME_SECONDS = 0.25
"""Two pictures are at least so far apart, however much changes."""
TICK_SECONDS = 1.0
"""Where nothing changes but the time, they are so far apart."""
PIPE_GATHER_SECONDS = 0.05
MOST_KEPT = 10_000
"""Without a limit, of more jobs the oldest are forgotten: a watch may run for weeks."""


@dataclass(frozen=True)
class Watch:
    """What is watched, and how it is shown.

    Attributes:
        limit: show the newest so many; None: the newest, and whatever changes.
        is_all: every job there is.
        fields: which to show; by default those there is room for.
        order: the field to sort by, "" for newest first.
    """

    wanted: Filter
    limit: int | None = None
    is_all: bool = False
    fields: tuple[str, ...] = ()
    order: str = ""


def watch_jobs(app: App, watch: Watch) -> int:
    """Show the jobs there are, then every change of one, until Ctrl-C or the reader leaves."""
    listing = read_for_watching(app, watch.wanted, watch.limit, is_all=watch.is_all)
    app.remember(listing.jobs)
    try:
        if app.as_json or not app.out.is_smart:
            _print_lines(app, listing, watch)
        else:
            _draw(app, listing, watch)
    except KeyboardInterrupt:
        # It is how one leaves a watch, and no failure.
        return 0
    return 0


def _print_lines(app: App, listing: Listing, watch: Watch) -> None:
    from kotta_cli.job_fields import DEFAULT, sorted_by
    from kotta_cli.output_readers import leave_with_reader
    from kotta_cli.render.as_json import print_json_line
    from kotta_cli.render.job_table import tab_separated

    def show(job: Job) -> None:
        if app.as_json:
            print_json_line(app, job)
        else:
            app.print(tab_separated(job, watch.fields or DEFAULT, color=app.out.color))

    oldest_first = reversed(listing.jobs)
    for job in sorted_by(listing.jobs, watch.order) if watch.order else oldest_first:
        show(job)
    leave_with_reader(app.out)
    for change in app.client.watch(
        listing.change, gather_seconds=PIPE_GATHER_SECONDS, **watch.wanted.whose()
    ):
        if watch.wanted.shows(change.job):
            show(change.job)


def _draw(app: App, listing: Listing, watch: Watch) -> None:
    from rich.live import Live

    from kotta_cli.render.job_screen import JobScreen

    kept = None if watch.is_all else watch.limit or max(MOST_KEPT, len(listing.jobs))
    screen = JobScreen(listing.jobs, limit=kept, fields=watch.fields, order=watch.order)
    console = app.out.console()
    changes = app.client.watch(listing.change, gather_seconds=FRAME_SECONDS, **watch.wanted.whose())
    reader = _FeedReader(changes, watch.wanted, screen)
    with app.holding_notes():
        try:
            # On the alternate screen every picture begins at the top, so no change of the window's
            # size can leave parts of an old one behind.
            with (
                drawn(Live(screen, console=console, screen=True, auto_refresh=False)) as live,
                _told_of_resizing(reader.news),
            ):
                reader.start()
                while reader.error is None:
                    live.refresh()
                    time.sleep(FRAME_SECONDS)
                    reader.news.wait(TICK_SECONDS - FRAME_SECONDS)
                    reader.news.clear()
        finally:
            console.print(screen.last_picture(console))
    if reader.error is not None:
        raise reader.error


@dataclass(eq=False)
class _FeedReader:
    """Brings the screen up to date in a thread of its own, so that drawing waits for nobody.

    Attributes:
        news: set when there is something new to draw.
        error: why it has stopped reading, None while it reads.
    """

    changes: Iterator[Change]
    wanted: Filter
    screen: JobScreen
    news: threading.Event = field(default_factory=threading.Event)
    error: KottaError | None = None

    def start(self) -> None:
        # a daemon, as it may sit in a request of half a minute when the watch is over
        threading.Thread(target=self._run, name="kotta-watch", daemon=True).start()

    def _run(self) -> None:
        from kotta.errors import KottaError

        try:
            for change in self.changes:
                if self.wanted.shows(change.job):
                    self.screen.update(change.job)
                else:
                    self.screen.remove(change.job)
                self.news.set()
        except KottaError as error:
            self.error = error
        self.news.set()


@contextmanager
def _told_of_resizing(news: threading.Event) -> Iterator[None]:
    number = getattr(signal, "SIGWINCH", None)
    if number is None:
        yield
        return
    before = signal.signal(number, lambda *_: news.set())
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):
            signal.signal(number, before)
