"""What stands on the change feed: waiting for jobs, hearing of every change, following a stream.

Nothing here polls in a loop: each question is answered as soon as there is something to say. A
service that is away for a while, as when it restarts, is asked again. One thread for the futures of
function calls is `kotta.following`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from kotta.api import Api, LogChunk, LogStart
from kotta.errors import NotFoundError, ServiceStartError, UnavailableError, WaitTimeoutError
from kotta.models import Job

if TYPE_CHECKING:
    from kotta.models import Change, ChangePage

T = TypeVar("T")

FEED_SECONDS = 25.0
FEED_JOBS = 100
"""Up to so many jobs are asked about by name; for more, all changes of their owner's are read."""
MANY_JOBS = 20
GATHER_SECONDS = 0.05
AWAY_SECONDS = 60.0
AWAY_PAUSES_SECONDS = (0.1, 2.0)
"""Between two attempts to reach a service that is away: at first, and at most."""


def wait(
    api: Api,
    jobs: Sequence[Job | str],
    timeout: float | None = None,
    on_change: Callable[[Job], None] | None = None,
) -> list[Job]:
    """The jobs once all of them have ended, in the order given; see `kotta.client.Kotta.wait`."""
    deadline = None if timeout is None else time.monotonic() + timeout
    awaited = _Awaited(on_change)
    # a Job that was handed in says how far it is; only bare ids have to be asked about
    awaited.note(_now(api, [job for job in jobs if isinstance(job, str)], deadline))
    awaited.note([job for job in jobs if isinstance(job, Job)])
    after = min((job.change for job in awaited.latest.values()), default=0)
    while open_ids := awaited.open_ids():
        left = FEED_SECONDS if deadline is None else deadline - time.monotonic()
        changes: list[Change] = []
        if left > 0:
            named = open_ids if len(open_ids) <= FEED_JOBS else ()
            ask = partial(
                api.changes,
                after,
                min(left, FEED_SECONDS),
                named,
                ended=on_change is None,
                owner=awaited.owner(),
            )
            changes = patiently(ask, deadline).changes
            after = max([after, *(change.number for change in changes)])
            awaited.note([change.job for change in changes if change.job.id in awaited.latest])
        if not changes:
            # after a silence, and before giving up, the jobs themselves have the last word
            awaited.note(_now(api, open_ids, deadline))
        if left <= 0 and (open_ids := awaited.open_ids()):
            raise WaitTimeoutError(
                f"{len(open_ids)} of {len(awaited.latest)} jobs had not ended after {timeout:g} s",
                hint="they go on: kotta wait " + open_ids[0],
            )
        if len(open_ids) > MANY_JOBS:
            # news of many come thick and fast: let some gather rather than ask for each
            time.sleep(GATHER_SECONDS)
    return [awaited.latest[job if isinstance(job, str) else job.id] for job in jobs]


def watch(
    api: Api,
    after: int | None = None,
    gather_seconds: float = 0,
    *,
    owner: str | None = None,
    shared: bool = False,
) -> Iterator[Change]:
    """Every change after that number, or from this call on; see `kotta.client.Kotta.watch`."""
    # asked now rather than at the first `next`, before which much may happen
    number = api.changes(None).last if after is None else after
    return _changes(partial(api.changes, owner=owner, shared=shared), number, gather_seconds)


def log_chunks(
    api: Api, job_id: str, stream: str, start: LogStart, *, follow: bool
) -> Iterator[LogChunk]:
    """What a job has written, piece by piece; see `kotta.client.Kotta.log_chunks`."""
    seconds = FEED_SECONDS if follow else 0
    while True:
        chunk = patiently(partial(api.log, job_id, stream, start, seconds))
        if chunk.content:
            yield chunk
        if follow and chunk.next_attempt is not None:
            start = LogStart(attempt=chunk.next_attempt)
            continue
        if chunk.ended or chunk.next_attempt is not None or not (follow or chunk.content):
            return
        # bound to the attempt: if another one begins, what is left of this one is not skipped
        start = LogStart(chunk.next_offset, attempt=chunk.attempt)


class _Awaited:
    """The jobs that somebody waits for, each as it was when last heard of."""

    def __init__(self, on_change: Callable[[Job], None] | None) -> None:
        self.latest: dict[str, Job] = {}
        self._on_change = on_change

    def note(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            known = self.latest.get(job.id)
            if known is None or job.change > known.change:
                self.latest[job.id] = job
                if self._on_change is not None:
                    self._on_change(job)

    def owner(self) -> str | None:
        """Whose they are; `*`: of several users; None: the service does not tell."""
        owners = {job.owner for job in self.latest.values()}
        return (owners.pop() or None) if len(owners) == 1 else "*"

    def open_ids(self) -> list[str]:
        return [job.id for job in self.latest.values() if not job.status.is_terminal]


def _changes(
    ask: Callable[[int, float], ChangePage], number: int, gather_seconds: float
) -> Iterator[Change]:
    while True:
        for change in patiently(partial(ask, number, FEED_SECONDS)).changes:
            number = change.number
            yield change
        time.sleep(gather_seconds)


def _now(api: Api, job_ids: Sequence[str], deadline: float | None) -> list[Job]:
    """These jobs as they are now.

    Raises:
        NotFoundError: the service knows no job of one of the ids.
    """
    jobs: list[Job] = []
    for start in range(0, len(job_ids), FEED_JOBS):
        asked = job_ids[start : start + FEED_JOBS]
        page = patiently(partial(api.changes, 0, 0, asked), deadline)
        found = [change.job for change in page.changes]
        if missing := set(asked) - {job.id for job in found}:
            raise NotFoundError(
                f"there is no job {min(missing)}", hint="kotta list shows your jobs"
            )
        jobs += found
    return jobs


def patiently(ask: Callable[[], T], deadline: float | None = None) -> T:
    """What `ask` answers, asked again for a minute (or up to `deadline`) while nobody answers."""
    end = time.monotonic() + AWAY_SECONDS
    end = end if deadline is None else min(end, deadline)
    pause, longest = AWAY_PAUSES_SECONDS
    while True:
        try:
            return ask()
        except UnavailableError as error:
            if isinstance(error, ServiceStartError) or time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, longest)
