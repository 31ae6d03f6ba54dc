"""A job in short, as the service tells of it; all about one is in `kotta.models.detail`."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

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
    JobState.CANCELLED: "It was ended, or never started; `reason` says why.",
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
    tags: Many[str] = []
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
