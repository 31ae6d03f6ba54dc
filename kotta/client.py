"""`Kotta`: a connection, and everything a person does with jobs.

What only some of it needs is imported where it is needed: `kotta list` imports this too.
"""

from __future__ import annotations

import builtins
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from kotta import config, feed, local_service, log
from kotta.api import Api, LogChunk, LogStart
from kotta.errors import ConnectionFailedError, RequestError
from kotta.models import Job, JobState
from kotta.session import Session
from kotta.settings import SETTINGS

if TYPE_CHECKING:
    from kotta.account import Tokens, Users
    from kotta.contents import Progress
    from kotta.credentials import Credentials
    from kotta.following import Follower
    from kotta.models import (
        Change,
        CheckedJob,
        JobDescription,
        JobDetail,
        JobPage,
        Place,
        Queue,
        ServiceInfo,
        SharedJob,
        Usage,
    )
    from kotta.models.accounts import WhoAmI
    from kotta.submission import Submission
    from kotta.transfers import FetchReport, VerifyReport
    from kotta.upkeep import Upkeep
    from kotta.uploads import Upload

JobOrId = Job | str
T = TypeVar("T")
MAX_AT_ONCE = 10_000
MAX_SHARES_AT_ONCE = 50_000

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

    Attributes:
        server: the service that is meant.
        config: this user's settings, as files and environment have them.
        api: the typed HTTP layer.

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
        self.config = config.Config()
        self.server = self.config.server(server, profile)
        self._notify = notify
        credentials = None if creds is None else _understood(creds)
        self._session = Session(self.server.address, credentials)
        self.api = Api(self.server, notify, self._session)
        # a notebook's last cell closes nothing: sockets are given back at its end
        weakref.finalize(self, self.api.close)
        self._follower: Follower | None = None
        self._lock = threading.Lock()
        self._trusts_pickles: bool | None = None
        self._python_version: str | None = None

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

        True for this user's own service, and for one that the user said at login to trust. Set it
        to True for another whose keeper you trust.
        """
        if self._trusts_pickles is None:
            is_own = config.is_own(self.server)
            self._trusts_pickles = is_own or self._session.trusts_pickles
        return self._trusts_pickles

    @trusts_pickles.setter
    def trusts_pickles(self, trusted: bool) -> None:
        self._trusts_pickles = trusted

    def connect(self) -> Api:
        """A further connection to the same service; whoever asks for it closes it."""
        return Api(self.server, self._notify, self._session)

    def _defaults(self) -> dict[str, config.Found]:
        """What the user's settings say of jobs that do not say it themselves."""
        found = {
            name: self.config.find(name, self.server.profile)
            for name, setting in SETTINGS.items()
            if setting.in_profile
        }
        return {name: value for name, value in found.items() if not value.is_default}

    def close(self) -> None:
        """Gives the connections back; the next use makes new ones.

        Futures whose jobs run on keep one until those have ended.
        """
        with self._lock:
            follower, self._follower = self._follower, None
        if follower is not None:
            follower.close()
        self.api.close()

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
        """Submits jobs in order; see `submit`.

        Up to 1,000 (and 32 MiB) are accepted together or not at all. Of more, those before the
        error are submitted, as its hint says; with the same key, they are not submitted again.
        """
        return self._submit(descriptions, idempotency_key)[0]

    def submissions(
        self,
        descriptions: Iterable[JobDescription | Mapping[str, Any]],
        *,
        wait_seconds: float = 0,
    ) -> builtins.list[Submission]:
        """The same as `submit_many`, for who is to follow the jobs and open what they come to.

        Args:
            wait_seconds: what ends within this time is known to have ended already.
        """
        from kotta.submission import Submission

        jobs, ended = self._submit(descriptions, None, wait_seconds)
        found = [Submission(self, job) for job in jobs]
        ends = {change.job.id: change for change in ended}
        for submission in found:
            if (end := ends.get(submission.id)) is not None:
                submission.note(end.job, end.result)
        return found

    def _submit(
        self,
        descriptions: Iterable[JobDescription | Mapping[str, Any]],
        key: str | None,
        wait_seconds: float = 0,
    ) -> tuple[builtins.list[Job], builtins.list[Change]]:
        import uuid

        from kotta.submitting import submit

        key = key or str(uuid.uuid4())
        return submit(self.api, descriptions, key, self._defaults(), wait_seconds)

    def check(
        self, descriptions: Iterable[JobDescription | Mapping[str, Any]]
    ) -> builtins.list[CheckedJob]:
        """What would become of jobs, were they submitted now; nothing is submitted or uploaded.

        Raises:
            DescriptionError: one of them would not be accepted.
        """
        from kotta.submitting import check

        return check(self.api, descriptions, self._defaults())

    def rerun(self, job: JobOrId, **changes: Any) -> Job:
        """Submits a job again as it was; what it was to come after does not count any more.

        Args:
            changes: fields of its description, and what they are now.

        Raises:
            DescriptionError: with these changes it cannot be accepted.
            NotFoundError: there is none of that id.
        """
        from kotta.rerunning import again

        return self.submit({**again(self.status(job)), **changes})

    def status(self, job: JobOrId, *, wait_seconds: float = 0) -> JobDetail:
        """Everything the service knows of a job, once it has ended or so many seconds have passed.

        Args:
            wait_seconds: 25 at most.

        Raises:
            NotFoundError: there is none of that id.
        """
        if not wait_seconds:
            return self.api.status(_id(job))
        return feed.patiently(partial(self.api.status, _id(job), wait_seconds))

    def list(
        self,
        *,
        status: Sequence[JobState | str] = (),
        queue: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        array: str | None = None,
        owner: str | None = None,
        shared: bool = False,
        since: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> JobPage:
        """A page of jobs, newest first.

        Args:
            name: a glob.
            array: id of the array they belong to.
            owner: of this user rather than one's own, as far as one may see; `*`: of everybody.
            shared: those that others share with one, instead.
            since: submitted then or later.
            limit: 1 to 1,000.
            cursor: `next_cursor` of the page before.
        """
        given = {
            "queue": queue,
            "name": name,
            "tag": tag,
            "array": array,
            "owner": owner,
            "shared": "true" if shared else None,
            "since": None if since is None else since.astimezone(timezone.utc).isoformat(),
            "limit": limit,
            "cursor": cursor,
        }
        params: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        params["status"] = [_state(item).value for item in status]
        return self.api.list(params)

    def select(self, selector: str) -> Job:
        """The one job that `selector` means: an id or its start, a name, `@last`, `@2`.

        Raises:
            NotFoundError: it means none.
            AmbiguousError: it means several.
        """
        from kotta import selection

        return selection.one(self.api, selector)

    def select_many(self, selectors: str | Iterable[str]) -> builtins.list[Job]:
        """All the jobs that selectors mean, each once, in the order given.

        Beside what `select` takes, a selector may name a set: an array by its id or name, a glob
        such as `fit-*`, `@failed` or another state, `@open`, `tag=x`. A set may be empty. Its jobs
        come newest first, those of one array by index.

        Raises:
            NotFoundError: one that names a single job means none.
            AmbiguousError: one that names a single job means several.
        """
        from kotta import selection

        given = [selectors] if isinstance(selectors, str) else list(selectors)
        return selection.many(self.api, given).jobs

    def cancel(self, job: JobOrId) -> Job:
        """Asks for a job's end. One that is pending has ended on return, one that runs soon after.

        Raises:
            ConflictError: it has ended by itself.
            NotFoundError: there is none of that id.
        """
        return self.api.cancel(_id(job))

    def cancel_many(self, jobs: Iterable[JobOrId]) -> builtins.list[Job]:
        """Asks for the end of many jobs at once; those that have ended are as they were.

        Raises:
            NotFoundError: there is none of one of these ids; nothing was done.
        """
        ids = [_id(job) for job in jobs]
        parts = [ids[start : start + MAX_AT_ONCE] for start in range(0, len(ids), MAX_AT_ONCE)]
        return [job for part in parts for job in self.api.cancel_many(part)]

    def share(
        self, jobs: JobOrId | Iterable[JobOrId], readers: Sequence[str], *, replace: bool = False
    ) -> builtins.list[SharedJob]:
        """Lets others see jobs of one's own: their state, streams, usage and outputs.

        Args:
            readers: names of users, or `*` for everybody who may log in.
            replace: nobody else may see them any more; else whoever may already still may.

        Returns:
            Each job with everybody who may see it now.

        Raises:
            NotFoundError: there is no such job of one's own, or no such user; nothing was done.
            ConflictError: the service is one's own, and nobody else is there.
        """
        given = [jobs] if isinstance(jobs, (str, Job)) else jobs
        ids = [_id(job) for job in given]
        at_once = max(1, min(MAX_AT_ONCE, MAX_SHARES_AT_ONCE // max(1, len(readers))))
        parts = [ids[start : start + at_once] for start in range(0, len(ids), at_once)]
        return [job for part in parts for job in self.api.share(part, readers, replace=replace)]

    def place(self, job: JobOrId) -> Place:
        """Where a pending job stands in its queue, and what it waits for."""
        return self.api.place(_id(job))

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
        return feed.wait(self.api, given, timeout, on_change)

    def watch(
        self,
        after: int | None = None,
        *,
        gather_seconds: float = 0,
        owner: str | None = None,
        shared: bool = False,
    ) -> Iterator[Change]:
        """Every change from this call on (or after the change numbered `after`), without an end.

        A reconnect neither misses nor repeats one. A job that changed several times at once is
        told of once, as it is now.

        Args:
            gather_seconds: how long news may gather before the service is asked for more, which
                spares both sides where much changes.
            owner: of jobs of this user rather than one's own; `*`: of everybody. See `list`.
            shared: of those that others share with one, instead.
        """
        return feed.watch(self.api, after, gather_seconds, owner=owner, shared=shared)

    def logs(
        self,
        job: JobOrId,
        stream: str = "stdout",
        *,
        offset: int = 0,
        tail: int | None = None,
        since: datetime | None = None,
        attempt: int = 0,
        follow: bool = False,
    ) -> Iterator[bytes]:
        """What a job has written to `stdout` or `stderr`, from `offset` on.

        Args:
            tail: begin so many lines before the end instead.
            since: begin with what was written since then instead, or up to a sample earlier: see
                `usage`. With `tail` as well, the later of the two counts.
            attempt: of a job that was started again; 0: the latest.
            follow: go on until the job has ended; a lost connection is made again, and no byte is
                lost or repeated. If the job is started again, its next attempt follows.
        """
        start = LogStart(offset, tail, since, attempt)
        for chunk in self.log_chunks(job, stream, start, follow=follow):
            yield chunk.content

    def log_chunks(
        self, job: JobOrId, stream: str, start: LogStart, *, follow: bool = False
    ) -> Iterator[LogChunk]:
        """The same in pieces that say where they belong, so that one can go on after the last."""
        return feed.log_chunks(self.api, _id(job), stream, start, follow=follow)

    def usage(self, job: JobOrId, attempt: int = 0) -> Usage:
        """What a job's processes have used so far, sample by sample.

        Args:
            attempt: of a job that was started again; 0: the latest.

        Raises:
            NotFoundError: there is no such job, or it has not come to this attempt.
        """
        return self.api.usage(_id(job), attempt)

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
            names: names or globs; None: all.
            force: replace files that are different.
        """
        from kotta.transfers import fetch

        wanted = [self._with_folder(job, into)]
        return fetch(self.api, wanted, names, force=force, progress=progress)[0]

    def fetch_many(
        self,
        jobs: Iterable[JobOrId],
        into: Path | str | None = None,
        names: Sequence[str] | None = None,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> builtins.list[FetchReport]:
        """Brings the outputs of many jobs here, each job's into a folder named by its id.

        Args:
            into: the folder of those folders; by default the current directory.
            names: names or globs; not every job needs to have each of them.
        """
        from kotta.transfers import details, fetch

        found = details(self.api, [_id(job) for job in jobs])
        wanted = [(detail, Path(into or "") / detail.id) for detail in found]
        return fetch(self.api, wanted, names, force=force, progress=progress)

    def verify(
        self,
        job: JobOrId,
        into: Path | str | None = None,
        names: Sequence[str] | None = None,
    ) -> VerifyReport:
        """Compares the files that `fetch` brought with what the service keeps; brings nothing."""
        from kotta.transfers import verify

        return verify(*self._with_folder(job, into), names)

    def read_output(self, job: JobOrId, name: str) -> Iterator[bytes]:
        """An output's bytes as they come.

        Raises:
            NotFoundError: there is none of that name.
            TransferError: after the last byte, if they were not those that the service keeps.
        """
        from kotta.manifest import chosen
        from kotta.streaming import read

        detail = self.api.status(_id(job))
        return read(self.api, detail.id, chosen(detail, [name])[0])

    def upload(self, path: Path | str, progress: Progress | None = None) -> str:
        """Sends a file unless the service has it; its `kotta://` URL, for a job's `inputs`."""
        return self.upload_many([path], progress)[0].url

    def upload_many(
        self, paths: Iterable[Path | str], progress: Progress | None = None
    ) -> builtins.list[Upload]:
        """Sends files, of the same content one, and none that the service has."""
        from kotta.uploads import upload

        return upload(self.api, [Path(path) for path in paths], progress)

    def upload_file(self, path: Path | str) -> str:
        """The same under its first name: a URL for a job's `inputs`."""
        return self.upload(path)

    @property
    def tokens(self) -> Tokens:
        """The caller's own logins, and tokens for scripts."""
        return self.api.tokens

    @property
    def users(self) -> Users:
        """Everybody who may log in, for administrators."""
        return self.api.users

    @property
    def upkeep(self) -> Upkeep:
        """Checking, backing up and pruning the service, for administrators."""
        return self.api.upkeep

    def whoami(self) -> WhoAmI:
        """Who the service takes this connection's user for.

        Raises:
            LoginRequiredError: it does not know them.
        """
        return self.api.whoami()

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
        """Asks the service to leave, if it is there; jobs run on."""
        if self.peek_service() is not None:
            try:
                self.api.stop()
            except ConnectionFailedError:
                # it left in between: a local one is not started in order to be stopped
                if not self.server.is_local:
                    raise

    def _with_folder(self, job: JobOrId, into: Path | str | None) -> tuple[JobDetail, Path]:
        detail = self.api.status(_id(job))
        return detail, Path(into) if into is not None else Path(detail.id)


def _id(job: JobOrId) -> str:
    return job.id if isinstance(job, Job) else job


def _understood(creds: str | Mapping[str, Any]) -> Credentials:
    from kotta import credentials

    return credentials.understand(creds)


def _state(state: JobState | str) -> JobState:
    try:
        return JobState(state)
    except ValueError:
        known = ", ".join(each.value for each in JobState)
        raise RequestError(f"there is no state `{state}`", hint=f"known: {known}") from None
