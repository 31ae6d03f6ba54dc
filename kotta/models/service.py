"""Replies that are not a job: submission, the change feed, queues, problems."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kotta.models.accounts import Limit
from kotta.models.job import Job, Result
from kotta.models.many import Many


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class SubmitReply(_Reply):
    """The accepted jobs, in the order of the request."""

    jobs: Many[Job]


class CancelReply(_Reply):
    """The jobs whose end was asked for, as they are now; what had ended is as it was."""

    jobs: Many[Job]


class SharedJob(_Reply):
    """A job, and who may see it beside its owner.

    Attributes:
        id: of the job.
        shared_with: names of users, `*` for everybody who may log in.
    """

    id: str
    name: str
    shared_with: Many[str]


class ShareReply(_Reply):
    """The jobs that were named, in the order of the request."""

    jobs: Many[SharedJob]


class CheckedJob(_Reply):
    """What would become of a job, were it submitted now.

    Attributes:
        cpus: cores that would be counted.
        memory_mib: memory that would be counted, MiB.
        ahead: jobs that wait in its queue already, those left out that wait for others to complete.
        waits_for: jobs that would have to complete before it may start.
        limit: the limit of its owner that would keep it from starting now, None if none would.
        starts_now: whether there is room for it at once.
    """

    name: str
    queue: str
    cpus: int
    memory_mib: int
    walltime_seconds: float
    ahead: int
    waits_for: int = 0
    limit: Limit | None = None
    starts_now: bool


class CheckReply(_Reply):
    jobs: Many[CheckedJob]


class Place(_Reply):
    """Where a pending job stands, and what it waits for.

    Attributes:
        position: 1 is the next to start in its queue.
        needs: jobs that must complete first and have not yet, at most 20.
        next_up: the job at the head of its queue, None if that is this one.
        head_lacks: what the head of the queue waits for: `cpus`, `memory`, or "" if there is room.
        limit: the limit of its owner that keeps it from starting, None if none does; those of other
            users go first then.
        queue: the queue as it is now.
        running: jobs that run in it now, at most 20.
    """

    job: Job
    position: int
    needs: Many[Job]
    next_up: Job | None = None
    head_lacks: str = ""
    limit: Limit | None = None
    queue: Queue
    running: Many[Job]


class Change(_Reply):
    """A job as it is after one change; with its result, if results were asked for."""

    number: int
    job: Job
    result: Result | None = None


class ChangePage(_Reply):
    """What changed after the number that was asked about, oldest first.

    A job that changed several times appears once, as it is now.

    Attributes:
        last: ask for what comes after this number next.
    """

    changes: Many[Change]
    last: int


class Queue(_Reply):
    """A queue's size and load.

    Attributes:
        cpus: cores its jobs share.
        memory_mib: memory its jobs share, MiB.
        cpus_used: cores counted for jobs that run now.
        memory_used_mib: memory counted for jobs that run now, MiB.
        running: jobs that run now.
        pending: jobs that wait.
        pending_after: how many of those wait for other jobs rather than for room.
        max_walltime_minutes: longest walltime it accepts.
    """

    name: str
    cpus: int
    memory_mib: int
    cpus_used: int
    memory_used_mib: int
    running: int
    pending: int
    pending_after: int = 0
    max_walltime_minutes: int


class QueuePage(_Reply):
    queues: Many[Queue]


class ServiceInfo(_Reply):
    """The service that answers.

    Where its data lies, its process and its log are told to administrators alone.

    Attributes:
        python_version: minor version of the Python that runs functions, such as `3.11`.
        idle_stop_seconds: it stops after this long without jobs and callers; None: never.
        active_jobs: jobs that are neither pending nor ended.
        peak_memory_bytes: largest resident memory of its process so far.
    """

    version: str
    python_version: str
    pid: int | None = None
    started_at: datetime
    data_directory: str | None = None
    log_file: str | None = None
    address: str
    idle_stop_seconds: float | None
    pending_jobs: int
    active_jobs: int
    peak_memory_bytes: int | None = None


class UploadMissing(_Reply):
    missing: Many[str]


class ProblemField(_Reply):
    """What is wrong with one field; `pointer` is a JSON Pointer into the request's body."""

    pointer: str
    detail: str
    hint: str = ""


class Problem(_Reply):
    """An RFC 9457 problem: every error answer of the API has this shape."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""
    request_id: str | None = None
    errors: Many[ProblemField] = Field(default_factory=list)
    extra: dict[str, Any] = Field(default_factory=dict)
