"""Waiting for jobs: what `submit --wait`, `submit --fetch` and `wait` have in common."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kotta_cli.render.live_line import following, note_endings
from kotta_cli.render.plain_text import one_line

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App

MAX_NAMED = 8


def wait_for(
    app: App, jobs: Sequence[Job], *, timeout: float | None = None, words: Sequence[str] = ()
) -> list[Job]:
    """Wait until all of them have ended, showing on the way what there is to see.

    Args:
        timeout: seconds, None for ever.
        words: how the jobs were named on the command line, where they were.

    Returns:
        The jobs as they ended, in the order given.
    """
    try:
        with following(app, jobs) as changed:
            ended = app.client.wait(jobs, timeout=timeout, on_change=changed)
    except KeyboardInterrupt:
        _say_how_to_come_back(app, jobs, words)
        raise
    app.remember(ended)
    note_endings(app, ended)
    return ended


def _say_how_to_come_back(app: App, jobs: Sequence[Job], words: Sequence[str]) -> None:
    names = [job.id[:8] if app.err.is_tty else job.id for job in jobs]
    arrays = {job.array for job in jobs}
    if len(jobs) > MAX_NAMED and len(arrays) == 1 and (array := arrays.pop()) is not None:
        names = [array[:8] if app.err.is_tty else array]
    elif len(jobs) > MAX_NAMED and words:
        names = [shlex.quote(one_line(word)) for word in words]
    said = " ".join(names[:MAX_NAMED]) + (" ..." if len(names) > MAX_NAMED else "")
    app.note("Stopped waiting. What was submitted runs on:")
    app.note(f"  kotta wait {said}    waits again")
    app.note(f"  kotta cancel {said}  ends it")
