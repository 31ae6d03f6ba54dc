"""What every `kotta` process says with its exit code, and how a job's end becomes one."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kotta.models import Job


class ExitCode(IntEnum):
    """Kotta's own exit codes. `submit --wait` and `wait` exit with a job's code instead."""

    OK = 0
    ERROR = 1
    """The request could not be carried out: no such job, no answer, a file did not arrive."""
    USAGE = 2
    """The command line or the job's description is wrong."""
    LOGIN_NEEDED = 4
    """The service asks who is there. As in `gh`."""
    TIMED_OUT = 124
    """What was waited for did not end in time. As in timeout(1)."""
    KOTTA_FAULT = 125
    """Kotta itself failed, or lost the job. As in `docker run`."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT."""
    OUTPUT_CLOSED = 141
    """Whoever read the output went away: 128 + SIGPIPE, what the signal itself would give."""


_SIGKILL = 9
_SIGTERM = 15


def exit_code_of(job: Job) -> int:
    """The exit code that stands for the end of one job.

    Its command's own where the command ended by itself, 128 + N where signal N ended it, 124 for
    walltime, 137 (128 + SIGKILL) where it used too much memory, 125 where Kotta lost it or its
    files or it went over another limit, 143 (128 + SIGTERM) where it was cancelled.
    """
    match job.reason and job.reason.value:
        case "user" | "dependency":
            return 128 + _SIGTERM
        case "walltime":
            return ExitCode.TIMED_OUT
        case "memory":
            return 128 + _SIGKILL
        case "lost" | "staging" | "limit":
            return ExitCode.KOTTA_FAULT
    if job.signal is not None:
        return 128 + job.signal
    if job.exit_code is not None:
        return job.exit_code
    return ExitCode.OK if job.status.value == "completed" else ExitCode.KOTTA_FAULT


def worst_exit_code(jobs: Iterable[Job]) -> int:
    """The largest of the jobs' exit codes, 0 for no job at all."""
    return max((exit_code_of(job) for job in jobs), default=int(ExitCode.OK))
