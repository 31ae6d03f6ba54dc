"""Brings the streams of jobs to ours, and knows how far each was brought."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kotta.errors import ConnectionFailedError, ServiceStartError, UnavailableError
from kotta_cli.output_readers import leave_with_reader
from kotta_cli.parameters import UsageProblem
from kotta_cli.render.log_sinks import JsonSink, labels, sink

if TYPE_CHECKING:
    from kotta.api import LogChunk, LogStart
    from kotta.models import Job
    from kotta_cli.context import App

MAX_FOLLOWED = 50
"""So many jobs can be followed at once: each takes a connection for each of its streams."""
_MAX_WAYS = 4
_Said = tuple["_Shown", "LogChunk | BaseException | None"]


def show_streams(
    app: App, jobs: Sequence[Job], streams: Sequence[str], start: LogStart, *, follow: bool
) -> int:
    """Write the streams of jobs, one after the other; the result is how many bytes there were.

    Args:
        follow: after those that have ended, write the others' as they come, until those have too.

    Raises:
        ConnectionFailedError: they did not come whole; its hint is how to go on.
        UsageProblem: these are too many to follow.
    """
    of_terminals = [labels(jobs, app.out), labels(jobs, app.err)]
    shown = [
        _Shown(app, job, stream, of_terminals[stream == "stderr"][place], start)
        for place, job in enumerate(jobs)
        for stream in streams
    ]
    open_ones = [each for each in shown if follow and not each.job.status.is_terminal]
    if len(open_ones) > MAX_FOLLOWED * len(streams):
        count = len(open_ones) // len(streams)
        raise UsageProblem(
            f"these are {count} open jobs, and {MAX_FOLLOWED} can be followed at once",
            hint="name fewer, or leave out --follow",
        )
    try:
        for each in shown:
            if each not in open_ones:
                for chunk in app.client.log_chunks(each.job, each.stream, start, follow=follow):
                    each.write(chunk)
                each.end()
                each.is_whole = True
        if open_ones:
            # of two streams that are read apart, stdout is the one that counts, as for tail -f
            leave_with_reader(app.out if app.as_json or "stdout" in streams else app.err)
        _follow(app, open_ones, start)
    except ServiceStartError:
        raise
    except UnavailableError as error:
        raise _incomplete(shown, error, follow=follow) from error
    finally:
        for each in shown:
            each.end()
    return sum(each.count for each in shown)


class _Shown:
    """One stream of one job, and how far it was written.

    Attributes:
        count: bytes written.
        is_whole: nothing more will come.
    """

    def __init__(self, app: App, job: Job, stream: str, label: str | None, start: LogStart) -> None:
        self.job = job
        self.stream = stream
        self.count = 0
        self.is_whole = False
        self._app = app
        self._attempt = start.attempt
        self._offset = start.offset
        self._sink = (
            JsonSink(app, job.id, stream)
            if app.as_json
            else sink(app.out if stream == "stdout" else app.err, label)
        )

    def write(self, chunk: LogChunk) -> None:
        if self._attempt and chunk.attempt > self._attempt:
            # a line that the attempt before did not end is not to run into the first of this one
            self._sink.end()
            if self.stream == "stdout" and self._app.err.is_tty and not self._app.as_json:
                self._app.note(f"{self.job.id[:8]} was started again: attempt {chunk.attempt}")
        self._sink.write(chunk.content)
        self.count += len(chunk.content)
        self._attempt, self._offset = chunk.attempt, chunk.next_offset

    def end(self) -> None:
        self._sink.end()

    def way_on(self, follow: bool) -> str:
        """The command that goes on where this stopped."""
        words = ["kotta logs -f" if follow else "kotta logs", self.job.id, "--stream", self.stream]
        if self._offset:
            words += ["--offset", str(self._offset)]
        if self._attempt > 1:
            words += ["--attempt", str(self._attempt)]
        return " ".join(words)


def _follow(app: App, shown: Sequence[_Shown], start: LogStart) -> None:
    """Writes streams side by side as they come; this thread alone writes."""
    said: queue.Queue[_Said] = queue.Queue(maxsize=8)
    for each in shown:
        threading.Thread(target=_read, args=(app, each, start, said), daemon=True).start()
    left = len(shown)
    while left:
        each, piece = said.get()
        if isinstance(piece, BaseException):
            raise piece
        if piece is None:
            each.end()
            each.is_whole = True
            left -= 1
        else:
            each.write(piece)


def _read(app: App, each: _Shown, start: LogStart, said: queue.Queue[_Said]) -> None:
    try:
        for chunk in app.client.log_chunks(each.job, each.stream, start, follow=True):
            said.put((each, chunk))
        said.put((each, None))
    except BaseException as error:
        said.put((each, error))


def _incomplete(
    shown: Sequence[_Shown], error: UnavailableError, *, follow: bool
) -> ConnectionFailedError:
    ways = [each.way_on(follow) for each in shown if not each.is_whole]
    more = [f"and {len(ways) - _MAX_WAYS} more"] if len(ways) > _MAX_WAYS else []
    return ConnectionFailedError(
        f"the output is not complete: {error.message}",
        hint="go on with: " + "; ".join(ways[:_MAX_WAYS] + more),
        code=error.code,
    )
