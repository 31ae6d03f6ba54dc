"""Shapes of jobs and what is told of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

# pydantic reads no other before Python 3.12
from typing_extensions import TypedDict

from kotta.models import CheckedJob, Job, JobDetail, JobState
from kotta_cli.results.files import FetchResult


class FetchedJob(Job):
    """A job with what became of its outputs.

    Attributes:
        fetch: with `--fetch`, where its outputs are now.
    """

    fetch: FetchResult


class CheckedInput(TypedDict):
    """An input, and whether it is there.

    Attributes:
        url: its address, or the path of a local file.
        size_bytes: its size, null where the server does not tell.
        problem: why it cannot be had, "" if it can.
    """

    url: str
    size_bytes: int | None
    problem: str


class Check(TypedDict):
    """With `--check`, what would happen."""

    jobs: list[CheckedJob]
    inputs: list[CheckedInput]


class ArrayStatus(TypedDict):
    """The jobs of an array as one thing.

    Attributes:
        array: its id.
        name: what it is called.
        counts: how many jobs are in each state; states without a job are left out.
        submitted_at: when it was submitted.
        ended_at: when its last job ended, null while one has not.
        jobs: all of them, by their index.
    """

    array: str
    name: str
    counts: dict[str, int]
    submitted_at: datetime
    ended_at: datetime | None
    jobs: list[Job]


class Difference(TypedDict):
    """One thing in which two jobs differ.

    Attributes:
        field: its name, such as `walltime`, `env.SEED` or `outputs.model.bin`.
        first: what the first has, null for nothing; of lists, what the second has not.
        second: what the second has.
    """

    field: str
    first: Any
    second: Any


class Comparison(TypedDict):
    """What two jobs do not have in common.

    Attributes:
        first: id of the first.
        second: id of the second.
        is_same: they were asked for the same, and ended the same.
        described: what they were asked to do.
        ended: how they ended, and what they made.
        measured: seconds and bytes, which are never quite the same.
    """

    first: str
    second: str
    is_same: bool
    described: list[Difference]
    ended: list[Difference]
    measured: list[Difference]


class Sized(TypedDict):
    """One thing that a job asked for and used.

    Attributes:
        suggested: what to ask for next time; null where what was asked for is right.
    """

    used: float
    asked: float
    suggested: int | None


class RightSize(TypedDict):
    """What an ended job used of what it asked for.

    Attributes:
        walltime_minutes: the time its command ran.
        memory_mib: its largest memory, null where that is not known.
        cpus: the cores it kept busy, on average.
        options: options for `kotta rerun` that ask for what is suggested, "" for none.
    """

    walltime_minutes: Sized
    memory_mib: Sized | None
    cpus: Sized
    options: str


class StatedJob(JobDetail):
    """A job with what it used of what it asked for.

    Attributes:
        right_size: null before its end, and where its command was never started.
    """

    right_size: RightSize | None


class Cause(TypedDict):
    """Why a job is where it is.

    Attributes:
        reasons: sentences, the most telling first.
        stderr: the last lines of its standard error.
        stdout: those of its standard output, where it wrote nothing to standard error.
        commands: what to type next, the most useful first.
    """

    id: str
    status: JobState
    reason: str | None
    reasons: list[str]
    stderr: list[str]
    stdout: list[str]
    commands: list[str]


class LogLine(TypedDict):
    """A line that a job wrote.

    Attributes:
        job: the job's id.
        stream: `stdout` or `stderr`.
        text: without its end; what is no UTF-8 in it is replaced.
    """

    job: str
    stream: str
    text: str
