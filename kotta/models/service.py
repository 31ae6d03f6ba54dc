"""What is told of many jobs at once, of the service itself, and of problems."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kotta.models.changes import Change
from kotta.models.job import Job
from kotta.models.many import Many


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class SubmitReply(_Reply):
    """The accepted jobs, in the order of the request.

    Attributes:
        ended: those of them that ended within the `wait` of the request, with their results.
    """

    jobs: Many[Job]
    ended: Many[Change] = Field(default_factory=list)


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


class ServiceInfo(_Reply):
    """The service that answers.

    Where its data lies, its process and its log are told to administrators alone.

    Attributes:
        python_version: minor version of the Python that runs functions, such as `3.11`.
        idle_stop_seconds: it stops after this long without jobs and callers; None: never.
        active_jobs: jobs that are neither pending nor ended.
        peak_memory_bytes: largest resident memory of its process so far.
        storage_problem: what keeps its storage, S3, from being used, in words, as it was seen when
            that was last looked at, which is done every 20 seconds; "" if nothing does.
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
    storage_problem: str = ""


class UploadMissing(_Reply):
    """Which contents are not there yet.

    Attributes:
        direct: files are sent to S3 by signed URLs; else to the service.
        incoming: a folder of this machine where files may be left for the service to take, by
            whoever runs it; None for others.
    """

    missing: Many[str]
    direct: bool = False
    incoming: str | None = None


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
    errors: Many[ProblemField] = []
    extra: dict[str, Any] = Field(default_factory=dict)
