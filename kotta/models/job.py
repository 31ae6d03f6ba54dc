"""A job as the service tells of it: state, times, outputs."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kotta.models.many import Many


class JobState(str, Enum):
    """Where a job is in its life.

    `unsubmitted` exists in a client only; the last three are final.
    """

    UNSUBMITTED = "unsubmitted"
    PENDING = "pending"
    STAGING_INPUTS = "staging_inputs"
    PROCESSING = "processing"
    STAGING_OUTPUTS = "staging_outputs"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL_STATES

    @property
    def meaning(self) -> str:
        """One sentence that says what this state means to the person who submitted the job."""
        return _MEANINGS[self]


TERMINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
ACTIVE_STATES = frozenset({JobState.STAGING_INPUTS, JobState.PROCESSING, JobState.STAGING_OUTPUTS})

_MEANINGS = {
    JobState.UNSUBMITTED: "It exists in this program only.",
    JobState.PENDING: "It waits for room in its queue.",
    JobState.STAGING_INPUTS: "Its inputs are being brought to where it will run.",
    JobState.PROCESSING: "Its command runs.",
    JobState.STAGING_OUTPUTS: "Its command has ended and its outputs are being kept.",
    JobState.COMPLETED: "Its command ended with exit code 0.",
    JobState.FAILED: "It ended without success; `reason` says why.",
    JobState.CANCELLED: "Somebody asked for its end, and nothing of it is left running.",
}


class Reason(str, Enum):
    """Why a job is in its terminal state."""

    EXIT = "exit"
    """Its command ended by itself: see `exit_code` or `signal`."""
    WALLTIME = "walltime"
    """It ran longer than its walltime and was ended."""
    MEMORY = "memory"
    """It used more memory than it asked for, in a queue that ends such jobs."""
    LIMIT = "limit"
    """It had more processes, or made larger outputs, than its queue lets it: see `error`."""
    LOST = "lost"
    """What ran it is gone without a word: a killed runner, a node that went down."""
    STAGING = "staging"
    """An input could not be brought, or an output could not be kept: see `error`."""
    DEPENDENCY = "dependency"
    """A job that it was to come after did not complete."""
    USER = "user"
    """Somebody cancelled it."""


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Output(_Reply):
    """One file that a job declared, made or not.

    Attributes:
        name: its name, without any folder.
        available: whether the job made it (and the job has ended).
        size_bytes: its size, None while not available.
        sha256: SHA-256 of its bytes in lower-case hex, None while not available.
    """

    name: str
    available: bool
    size_bytes: int | None = None
    sha256: str | None = None


class ResultError(_Reply):
    """Why a function's call has no result.

    Attributes:
        kind: `exception`, `missing_package`, `unpicklable_result`, `unreadable_call` or
            `python_version`.
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
        format: `json`, `pickle`, or `error`.
        size_bytes: size of the value's bytes.
        sha256: their SHA-256 in lower-case hex.
        data: the bytes in base64, None if there are none or they are in a file.
        file: name of the output that holds them, None if they are in `data`.
        error: with format `error`, what went wrong.
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


JobId = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$")]
"""Checked, because folders are named by it and terminals shown it, whoever the service is."""


class Job(_Reply):
    """A job in short, as lists and the change feed show it.

    Attributes:
        id: UUID4 in its usual 36 characters.
        owner: name of the user whose it is; `local` at a service of one's own.
        change: number of its latest change in the change feed.
        cpus: cores counted against the queue.
        memory_mib: memory counted against the queue, MiB.
        walltime_seconds: longest time its command may run, seconds.
        attempt: 0 while it never started, then counting from 1.
        array: id of the array it is one of, None if of none.
        array_index: which one of it, from 0.
        waits_for: how many jobs have to complete before it may start.
        started_at: when its command was started, latest attempt.
        ended_at: when it became terminal.
        exit_code: exit status of its command, None if it ended otherwise.
        signal: number of the signal that ended its command, None if none did.
        error: what went wrong in words, "" if nothing did.
    """

    id: JobId
    owner: str = ""
    name: str
    status: JobState
    reason: Reason | None = None
    queue: str
    jobtype: str
    tags: Many[str] = Field(default_factory=list)
    cpus: int
    memory_mib: int
    walltime_seconds: float
    attempt: int
    array: JobId | None = None
    array_index: int | None = None
    waits_for: int = 0
    submitted_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    signal: int | None = None
    error: str = ""
    change: int


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
        shared_with: names of users who may see it, `*` for everybody; told to its owner alone.
    """

    description: dict[str, Any]
    user_email: str = ""
    staging_inputs_seconds: float | None = None
    processing_seconds: float | None = None
    staging_outputs_seconds: float | None = None
    cancel_requested_at: datetime | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    result: Result | None = None
    outputs: Many[Output] = Field(default_factory=list)
    timeline: Many[Transition] = Field(default_factory=list)
    shared_with: Many[str] = Field(default_factory=list)


class JobPage(_Reply):
    """Some jobs, newest first, and where the next page begins.

    Attributes:
        is_set: what was selected names a set of jobs rather than one.
        next_cursor: give it back to get the next page; None on the last.
        change: the feed's latest number when the page was read: follow the feed from there.
    """

    jobs: Many[Job]
    is_set: bool = False
    next_cursor: str | None = None
    change: int = 0
