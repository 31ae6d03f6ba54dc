"""What becomes of jobs that are waited for, line by line, where nothing can be drawn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import ending
from kotta_cli.render.times import rfc3339

if TYPE_CHECKING:
    from kotta.models import Job, JobState
    from kotta_cli.context import App

MAX_NAMED = 10
"""More jobs than that are counted instead of named."""
COUNT_SECONDS = 10.0


class StateLines:
    """Tells of each state that a job enters; of many jobs, now and then how many are in which."""

    def __init__(self, app: App, jobs: Sequence[Job]) -> None:
        self._app = app
        self._jobs = {job.id: job for job in jobs}
        self._told: dict[str, JobState] = {}
        self._counted_at: float | None = None
        self._is_over = False

    def update(self, job: Job) -> None:
        """Tell of a job as it is now, if there is something new to say."""
        self._jobs[job.id] = job
        if len(self._jobs) > MAX_NAMED:
            self._count()
        elif self._told.get(job.id) is not job.status:
            self._told[job.id] = job.status
            words = ending(job) if job.status.is_terminal else job.status.value
            name = job.id[:8] if self._app.err.is_tty else job.id
            self._note(f"{name} {one_line(job.name)}: {words}")

    def _count(self) -> None:
        ended = sum(job.status.is_terminal for job in self._jobs.values())
        was_over, self._is_over = self._is_over, ended == len(self._jobs)
        now = time.monotonic()
        is_due = self._counted_at is None or now - self._counted_at >= COUNT_SECONDS
        if not was_over and (is_due or self._is_over):
            from kotta_cli.render.job_table import counts_in_words

            self._counted_at = now
            words = counts_in_words(self._jobs.values(), color=False)
            self._note(f"{ended} of {len(self._jobs)} ended: {words}")

    def _note(self, words: str) -> None:
        self._app.note(f"{rfc3339(datetime.now(timezone.utc))} {words}")
