"""`Kotta`: a connection, and everything a person does with jobs.

What only some of it needs is imported where it is needed: `kotta list` imports this too.
"""

from __future__ import annotations

import builtins
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kotta import config, local_service, log
from kotta.api import Api
from kotta.errors import (
    AmbiguousError,
    ConnectionFailedError,
    NotFoundError,
    WaitTimeoutError,
)
from kotta.models import (
    Change,
    ChangePage,
    Job,
    JobDetail,
    JobPage,
    JobState,
    Queue,
    ServiceInfo,
)

if TYPE_CHECKING:
    from kotta.credentials import Credentials
    from kotta.following import Follower
    from kotta.models import JobDescription
    from kotta.transfers import FetchReport, Progress

FEED_SECONDS = 25
FEED_JOBS = 100
"""Up to so many jobs are asked about by name; for more, all of one's own changes are read."""
MANY_JOBS = 20
GATHER_SECONDS = 0.05
RECONNECT_SECONDS = 60

JobOrId = Job | str

log.be_silent_by_default()


class Kotta:
    """A connection to a service, made when it is first used.

    Without arguments it is the active profile's service or, with none, this user's local one, which
    starts by itself. May be used by several threads, and as a context manager.

    Args:
        creds: the credentials of the first library: JSON text or a dict with `access_token` and
            perhaps `refresh_token`, or the address of the login page as text. They stay in memory.
        profile: a profile of the configuration file.
        server: `https://host`, `unix:/path` or `local`; wins over the profile.
        notify: told in a sentence when the local service had to be started.

    Raises:
        ConfigError: the service that is meant cannot be made out, or no token is in `creds`.
    """

    def __init__(
        self,
        creds: str | Mapping[str, Any] | None = None,
        *,
        profile: str | None = None,
        server: str | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self.server = config.find_server(server, profile)
        self._credentials = None if creds is None else _understood(creds)
        self._notify = notify
        self._api: Api | None = None
        self._follower: Follower | None = None
        self._lock = threading.Lock()
        self._trusts_pickles: bool | None = None
        self._python_version: str | None = None

    @property
    def api(self) -> Api:
        """The typed HTTP layer, connected."""
        with self._lock:
            if self._api is None:
                self._api = Api(self.server, self._notify)
                # a notebook's last cell closes nothing: sockets are given back at its end
                self._closes = weakref.finalize(self, self._api.close)
            return self._api

    @property
    def follower(self) -> Follower:
        """What follows this connection's jobs for futures and callbacks."""
        with self._lock:
            if self._follower is None:
                # imported when used, like all that serves functions: commands do without it
                from kotta.following import Follower

                self._follower = Follower(self)
            return self._follower

    @property
    def python_version(self) -> str:
        """Minor version of the Python that runs functions there, such as `3.11`; asked for once."""
        if self._python_version is None:
            self._python_version = self.service().python_version
        return self._python_version

    @property
    def trusts_pickles(self) -> bool:
        """Whether results that are pickles are opened, which lets the service run code here.

        True for this user's own service. Set it to True for one whose keeper you trust.
        """
        if self._trusts_pickles is None:
            self._trusts_pickles = config.is_own(self.server)
        return self._trusts_pickles

    @trusts_pickles.setter
    def trusts_pickles(self, trusted: bool) -> None:
        self._trusts_pickles = trusted

    def close(self) -> None:
        """Gives the connections back; the next use makes new ones.

        Futures of this connection whose jobs run on are such a use.
        """
        with self._lock:
            api, self._api = self._api, None
            follower, self._follower = self._follower, None
        if follower is not None:
            follower.close()
        if api is not None:
            self._closes.detach()
            api.close()

    def __enter__(self) -> Kotta:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(
        self,
        description: JobDescription | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submits one job; on return it is on the service's disk.

        Local paths among its `inputs` are uploaded first.

        Args:
            idempotency_key: submit the same job with the same key again, and it is the same job.

        Raises:
            DescriptionError: it cannot be accepted; `problems` says why.
        """
        return self.submit_many([description], idempotency_key=idempotency_key)[0]

    def submit_many(
        self,
        descriptions: Iterable[JobDescription | Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
    ) -> builtins.list[Job]:
        """Submits jobs in order, up to 1,000 in one transaction; see `submit`."""
        from kotta.submitting import prepared

        key = idempotency_key or str(uuid.uuid4())
        parts = prepared(self.api, descriptions)
        jobs: list[Job] = []
        for part in parts:
            part_key = f"{key}/{len(jobs)}" if len(parts) > 1 else key
            jobs += self.api.submit(part, part_key)
        return jobs

    def status(self, job: JobOrId, *, wait_seconds: float = 0) -> JobDetail:
        """Everything the service knows of a job, once it has ended or so many seconds have passed.

        Args:
            wait_seconds: 25 at most.

        Raises:
            NotFoundError: there is none of that id.
        """
        if not wait_seconds:
            return self.api.status(_id(job))
        answer: JobDetail = self._patiently(lambda: self.api.status(_id(job), wait_seconds))
        return answer

    def changes(self, after: int, wait_seconds: float = 0) -> ChangePage:
        """What changed after a number of the feed, with results, as soon as something has.

        Args:
            wait_seconds: how long to wait for something, 25 at most.
        """
        answer: ChangePage = self._patiently(
            lambda: self.api.changes(after, wait_seconds, results=True)
        )
        return answer

    def list(
        self,
        *,
        status: Sequence[JobState | str] = (),
        queue: str | None = None,
        name: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> JobPage:
        """A page of jobs, newest first.

        Args:
            name: a glob.
            limit: 1 to 1,000.
            cursor: `next_cursor` of the page before.
        """
        given = {"queue": queue, "name": name, "limit": limit, "cursor": cursor}
        params: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        params["status"] = [JobState(item).value for item in status]
        return self.api.list(params)

    def select_all(self, selector: str) -> builtins.list[Job]:
        """The jobs that `selector` may mean, newest first, 50 at most."""
        return self.api.select(selector).jobs

    def select(self, selector: str) -> Job:
        """The one job that `selector` means: a full id, the start of one, a name, or `@last`.

        Raises:
            NotFoundError: it means none.
            AmbiguousError: it means several.
        """
        found = self.select_all(selector)
        if not found:
            raise NotFoundError(f"no job is called `{selector}`", hint="kotta list shows your jobs")
        if len(found) > 1:
            raise AmbiguousError(
                f"`{selector}` means {len(found)} jobs",
                candidates=tuple((job.id, job.name, job.status.value) for job in found),
                hint="give more of the id",
            )
        return found[0]

    def cancel(self, job: JobOrId) -> Job:
        """Asks for a job's end. One that is pending has ended on return, one that runs soon after.

        Raises:
            ConflictError: it has ended by itself.
            NotFoundError: there is none of that id.
        """
        return self.api.cancel(_id(job))

    def wait(
        self,
        jobs: JobOrId | Iterable[JobOrId],
        *,
        timeout: float | None = None,
        on_change: Callable[[Job], None] | None = None,
    ) -> builtins.list[Job]:
        """The jobs once all of them have ended, in the order given.

        Args:
            timeout: seconds.
            on_change: called with each of them as it is now, and again after every change.

        Raises:
            WaitTimeoutError: they have not ended in time; they go on.
            NotFoundError: there is none of that id.
        """
        given = [jobs] if isinstance(jobs, (str, Job)) else list(jobs)
        ids = [_id(job) for job in given]
        deadline = None if timeout is None else time.monotonic() + timeout
        latest: dict[str, Job] = {}

        def note(job: Job) -> None:
            known = latest.get(job.id)
            if known is None or job.change > known.change:
                latest[job.id] = job
                if on_change is not None:
                    on_change(job)

        # a Job that was handed in says how far it is; only bare ids have to be asked about
        for job in [*self._now([job for job in given if isinstance(job, str)]), *given]:
            if isinstance(job, Job):
                note(job)
        after = min((job.change for job in latest.values()), default=0)
        while open_ids := [job.id for job in latest.values() if not job.status.is_terminal]:
            seconds = float(FEED_SECONDS)
            if deadline is not None:
                seconds = min(seconds, deadline - time.monotonic())
                if seconds <= 0:
                    raise WaitTimeoutError(
                        f"{len(open_ids)} of {len(latest)} jobs had not ended after {timeout:g} s",
                        hint="they go on: kotta wait " + open_ids[0],
                    )
            for change in self._feed(after, seconds, open_ids):
                after = max(after, change.number)
                if change.job.id in latest:
                    note(change.job)
            if len(open_ids) > MANY_JOBS:
                # news of many come thick and fast: let some gather rather than ask for each
                time.sleep(GATHER_SECONDS)
        return [latest[job_id] for job_id in ids]

    def watch(self, after: int | None = None) -> Iterator[Change]:
        """Every change from now on (or after the change numbered `after`), for as long as asked.

        A reconnect neither misses nor repeats one. A job that changed several times at once is
        told of once, as it is now.
        """
        number = self._last_change() if after is None else after
        while True:
            for change in self._feed(number, FEED_SECONDS):
                number = change.number
                yield change

    def logs(
        self, job: JobOrId, stream: str = "stdout", *, offset: int = 0, follow: bool = False
    ) -> Iterator[bytes]:
        """What a job has written to `stdout` or `stderr`, from `offset` on.

        Args:
            follow: go on until the job has ended; a lost connection is made again, and no byte is
                lost or repeated.
        """
        seconds = FEED_SECONDS if follow else 0
        while True:
            chunk = self._patiently(partial(self.api.log, _id(job), stream, offset, seconds))
            offset = chunk.next_offset
            if chunk.content:
                yield chunk.content
            if chunk.ended or not (follow or chunk.content):
                return

    def fetch(
        self,
        job: JobOrId,
        into: Path | str | None = None,
        names: Sequence[str] | None = None,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> FetchReport:
        """Brings a job's outputs here, verified; see `kotta.transfers.fetch`.

        Args:
            into: a folder; by default one named by the job's id, in the current directory.
        """
        detail = self.api.status(_id(job))
        directory = Path(into) if into is not None else Path(detail.id)
        from kotta import transfers

        return transfers.fetch(self.api, detail, directory, names, force=force, progress=progress)

    def upload(self, path: Path | str, progress: Progress | None = None) -> str:
        """Sends a file unless the service has it; its `kotta://` URL, for a job's `inputs`."""
        from kotta import transfers

        return transfers.upload(self.api, [Path(path)], progress)[0]

    def upload_file(self, path: Path | str) -> str:
        """The same under its first name: a URL for a job's `inputs`."""
        return self.upload(path)

    def submit_task(self, description: Mapping[str, Any]) -> dict[str, str]:
        """Submits a job as the first library did; see `kotta.first_library`."""
        from kotta import first_library

        return first_library.submit_task(self, description)

    def status_task(self, job_id: str) -> dict[str, Any]:
        """A job's status as the first library told it; see `kotta.first_library`."""
        from kotta import first_library

        return first_library.status_task(self, job_id)

    def queues(self) -> builtins.list[Queue]:
        """The queues, with what runs and waits in each."""
        return self.api.queues().queues

    def service(self) -> ServiceInfo:
        """The service that answers; the local one is started if need be."""
        return self.api.service()

    def peek_service(self) -> ServiceInfo | None:
        """The same without starting one; None if the local service is not running."""
        if self.server.is_local and not local_service.is_running(local_service.socket_now()):
            return None
        return self.api.service()

    def stop_service(self) -> None:
        """Asks the service to leave; jobs run on."""
        self.api.stop()

    def _last_change(self) -> int:
        return self.api.changes(None).last

    def _now(self, job_ids: Sequence[str]) -> Iterator[Job]:
        """These jobs as they are now."""
        for start in range(0, len(job_ids), FEED_JOBS):
            asked = job_ids[start : start + FEED_JOBS]
            found = [change.job for change in self.api.changes(0, 0, asked).changes]
            if missing := set(asked) - {job.id for job in found}:
                raise NotFoundError(
                    f"there is no job {min(missing)}", hint="kotta list shows your jobs"
                )
            yield from found

    def _feed(self, after: int, seconds: float, job_ids: Sequence[str] = ()) -> Iterator[Change]:
        named = job_ids if len(job_ids) <= FEED_JOBS else ()
        page = self._patiently(lambda: self.api.changes(after, seconds, named))
        yield from page.changes

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """What `ask` answers, asked again for a minute while the service is away."""
        deadline = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                return ask()
            except ConnectionFailedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def _id(job: JobOrId) -> str:
    return job.id if isinstance(job, Job) else job


def _understood(creds: str | Mapping[str, Any]) -> Credentials:
    from kotta import credentials

    return credentials.understand(creds)
