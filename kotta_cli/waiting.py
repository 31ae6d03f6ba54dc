"""Waiting for jobs: what `submit --wait`, `submit --fetch` and `wait` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kotta_cli.render.live_line import following, note_endings

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App


def wait_for(app: App, jobs: Sequence[Job], *, timeout: float | None = None) -> list[Job]:
    """Wait until all of them have ended, showing on the way what there is to see.

    Args:
        timeout: seconds, None for ever.

    Returns:
        The jobs as they ended, in the order given.
    """
    try:
        with following(app, jobs) as changed:
            ended = app.client.wait(jobs, timeout=timeout, on_change=changed)
    except KeyboardInterrupt:
        _say_how_to_come_back(app, jobs)
        raise
    app.remember(ended)
    note_endings(app, ended)
    return ended


def _say_how_to_come_back(app: App, jobs: Sequence[Job]) -> None:
    ids = " ".join(job.id[:8] if app.err.is_tty else job.id for job in jobs[:8])
    more = " ..." if len(jobs) > 8 else ""
    app.note("Stopped waiting. What was submitted runs on:")
    app.note(f"  kotta wait {ids}{more}    waits again")
    app.note(f"  kotta cancel {ids}{more}  ends it")
