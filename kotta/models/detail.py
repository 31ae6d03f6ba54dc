"""Everything about one job: its outputs, its result, its way through the states."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from kotta.models.job import Job, JobState
from kotta.models.many import Many


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Output(_Reply):
    """One file that a job declared, made or not.

    Attributes:
        name: its name, without any folder.
        available: whether the job made it (and the job has ended).
        size_bytes: its size, None while not available.
        sha256: SHA-256 of its bytes in lower-case hex, None while not available.
        s3_url: `s3://bucket/key` where the service keeps it in S3, else None; an input of other
            jobs by this name too.
    """

    name: str
    available: bool
    size_bytes: int | None = None
    sha256: str | None = None
    s3_url: str | None = None


class ResultError(_Reply):
    """Why a function's call has no result.

    Attributes:
        kind: `exception`, `missing_package`, `unpicklable_result`, `unreadable_call`,
            `python_version` or `unreadable_result`.
        type: qualified name of the exception's class.
        traceback: where it was raised, as Python prints it.
        exception: base64 of the pickled exception, None where it cannot be pickled.
    """

    kind: str
    type: str
    message: str
    traceback: str = ""
    exception: str | None = None


class Result(_Reply):
    """What a function's call returned; see docs/functions.md.

    Attributes:
        format: `json`, `pickle`, `buffers` (a pickle beside its large buffers), `error`, or
            `unreadable`.
        size_bytes: size of the value's bytes.
        sha256: their SHA-256 in lower-case hex.
        data: the bytes in base64, None if there are none or they are in a file.
        file: name of the output that holds them, None if they are in `data`.
        error: with format `error` or `unreadable`, what went wrong.
    """

    format: str
    size_bytes: int = 0
    sha256: str = ""
    data: str | None = None
    file: str | None = None
    error: ResultError | None = None


class Transition(_Reply):
    """One step in a job's life: the state it entered, when, and in which attempt."""

    status: JobState
    at: datetime
    attempt: int


class JobDetail(Job):
    """Everything the service knows of one job.

    Attributes:
        description: the description as it was submitted, defaults filled in.
        staging_inputs_seconds: time spent bringing inputs, None before it is known.
        processing_seconds: time from start to end of the command, None before it is known.
        staging_outputs_seconds: time spent keeping outputs, None before it is known.
        cancel_requested_at: when its end was asked for, None if never.
        cpu_seconds: user and system time of the whole process tree, None before it is known.
        peak_memory_bytes: largest resident memory seen, of one process at any time or of all of
            them together at a sample; None before it is known. Never less than a runner's own 11 to
            16 MiB: Linux counts what a process was before exec.
        result: what a function's call returned, None before its end and for scripts.
        outputs: every declared output, in the order of the description.
        timeline: every state it has been in, oldest first.
        expires_at: from when on the service may forget it and its outputs; None: never, or not yet
            known, as it has not ended.
        shared_with: names of users who may see it, `*` for everybody; told to its owner alone.
    """

    description: dict[str, Any]
    user_email: str = ""
    staging_inputs_seconds: float | None = None
    processing_seconds: float | None = None
    staging_outputs_seconds: float | None = None
    cancel_requested_at: datetime | None = None
    expires_at: datetime | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    result: Result | None = None
    outputs: Many[Output] = []
    timeline: Many[Transition] = []
    shared_with: Many[str] = []
