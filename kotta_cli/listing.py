"""Which jobs are listed, and reading them page by page: for `list` and its watch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from kotta.models import ACTIVE_STATES, JobState

if TYPE_CHECKING:
    from datetime import datetime

    from kotta.models import Job
    from kotta_cli.context import App
    from kotta_cli.job_arrays import JobArray

MAX_PAGE = 1000
MOST_OF_ARRAYS = 20_000
"""So many jobs at most are read to show the arrays among them whole."""


@dataclass(frozen=True)
class Filter:
    """Which jobs are shown; the same rules as the service's, for what the change feed brings."""

    states: tuple[str, ...] = ()
    queue: str | None = None
    name: str | None = None
    tag: str | None = None
    array: str | None = None
    since: datetime | None = None
    owner: str | None = None
    shared: bool = False

    def asked(self) -> dict[str, Any]:
        """The same for the service, as `Kotta.list` takes it."""
        return {
            "status": self.states,
            "queue": self.queue,
            "name": self.name,
            "tag": self.tag,
            "array": self.array,
            "since": self.since,
            **self.whose(),
        }

    def whose(self) -> dict[str, Any]:
        """Whose jobs, as `Kotta.list` and `Kotta.watch` take it; the change feed keeps to it."""
        return {"owner": self.owner, "shared": self.shared}

    @property
    def is_of_others(self) -> bool:
        """Whether jobs of several owners may be among them."""
        return self.shared or self.owner is not None

    @property
    def keeps_arrays_whole(self) -> bool:
        """Whether all jobs of an array are shown, or none."""
        return not self.states and self.name is None and self.array is None

    def shows(self, job: Job) -> bool:
        return (
            (not self.states or job.status.value in self.states)
            and self.queue in (None, job.queue)
            and (self.name is None or self._name_pattern.fullmatch(job.name) is not None)
            and (self.tag is None or self.tag in job.tags)
            and self.array in (None, job.array)
            and (self.since is None or job.submitted_at >= self.since)
        )

    @cached_property
    def _name_pattern(self) -> re.Pattern[str]:
        # not `fnmatch`: to the service, brackets stand for themselves, as in `fit[0]`
        pattern = re.escape(self.name or "").replace(r"\*", ".*").replace(r"\?", ".")
        return re.compile(pattern, re.DOTALL)


class Listing(NamedTuple):
    """Jobs that were read, newest first.

    Attributes:
        change: the number after which the change feed tells what has happened since.
        is_all: whether there are no more.
    """

    jobs: list[Job]
    change: int
    is_all: bool


def read_jobs(app: App, wanted: Filter, limit: int | None) -> Listing:
    """The newest jobs that fit; None: all of them."""
    reader = _Reader(app, wanted)
    while limit is None or len(reader.jobs) < limit:
        if not reader.read(MAX_PAGE if limit is None else min(limit - len(reader.jobs), MAX_PAGE)):
            break
    return reader.listing()


def read_for_watching(app: App, wanted: Filter, limit: int | None, *, is_all: bool) -> Listing:
    """What a watch begins with: without a limit, the newest jobs and all that run.

    Args:
        is_all: every job there is.
    """
    listing = read_jobs(app, wanted, None if is_all else limit or MAX_PAGE)
    if listing.is_all or limit is not None:
        return listing
    states = tuple(
        state.value
        for state in JobState
        if state in ACTIVE_STATES and (not wanted.states or state.value in wanted.states)
    )
    if not states:
        return listing
    known = {job.id for job in listing.jobs}
    running = read_jobs(app, replace(wanted, states=states), None).jobs
    older = [job for job in running if job.id not in known]
    return Listing(listing.jobs + older, listing.change, is_all=False)


def read_rows(app: App, wanted: Filter, limit: int | None) -> tuple[list[Job | JobArray], Listing]:
    """The same with arrays folded; the limit is one of rows, and arrays are read whole."""
    from kotta_cli.job_arrays import folded

    reader, size = _Reader(app, wanted), min(limit or MAX_PAGE, MAX_PAGE)
    rows: list[Job | JobArray] = []
    while reader.read(size):
        rows, size = folded(reader.jobs), MAX_PAGE
        enough = limit is not None and (
            len(rows) > limit or (len(rows) == limit and _is_whole(rows[-1]))
        )
        if enough or (limit is not None and len(reader.jobs) >= MOST_OF_ARRAYS):
            break
    rows = folded(reader.jobs)
    listing = reader.listing()
    if limit is not None and len(rows) > limit:
        return rows[:limit], Listing(listing.jobs, listing.change, is_all=False)
    return rows, listing


class _Reader:
    def __init__(self, app: App, wanted: Filter) -> None:
        self.jobs: list[Job] = []
        self._app, self._wanted = app, wanted
        self._cursor: str | None = None
        self._change: int | None = None
        self._is_all = False

    def read(self, size: int) -> bool:
        """Read a page; the result is whether there is another."""
        page = self._app.client.list(**self._wanted.asked(), limit=size, cursor=self._cursor)
        self.jobs += page.jobs
        self._cursor = page.next_cursor
        # of the first page: what changes while the others are read must be told again
        self._change = page.change if self._change is None else self._change
        self._is_all = page.next_cursor is None
        return not self._is_all

    def listing(self) -> Listing:
        return Listing(self.jobs, self._change or 0, self._is_all)


def _is_whole(row: Job | JobArray) -> bool:
    from kotta_cli.job_arrays import JobArray

    return row.is_whole if isinstance(row, JobArray) else not row.array_index
