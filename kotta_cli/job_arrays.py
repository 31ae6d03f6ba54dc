"""Arrays as a list shows them: all jobs of one as a single row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from kotta.models import JobState

if TYPE_CHECKING:
    from datetime import datetime

    from kotta.models import Job


@dataclass(frozen=True)
class JobArray:
    """An array in place of its jobs, with the fields of a job that they have in common.

    Attributes:
        jobs: newest first, so the one of index 0 is the last.
        is_whole: whether these are all of its jobs.
    """

    jobs: Sequence[Job]

    @property
    def id(self) -> str:
        return self.jobs[0].array or ""

    @property
    def owner(self) -> str:
        return self.jobs[0].owner

    @property
    def name(self) -> str:
        """What it was called, or a glob of what its jobs' names share."""
        newest = self.jobs[0]
        index = f"[{newest.array_index}]"
        if newest.name.endswith(index):
            return newest.name.removesuffix(index)
        names = [job.name for job in self.jobs]
        alike = takewhile(
            lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False)
        )
        return "".join(letter for letter, _ in alike) + "*"

    @property
    def is_whole(self) -> bool:
        return self.jobs[-1].array_index == 0

    @property
    def status(self) -> JobState:
        """What there is most to know of: that some run, or wait, or did not complete."""
        states = {job.status for job in self.jobs}
        for state in (
            JobState.PROCESSING,
            JobState.STAGING_OUTPUTS,
            JobState.STAGING_INPUTS,
            JobState.PENDING,
            JobState.FAILED,
            JobState.CANCELLED,
        ):
            if state in states:
                return state
        return JobState.COMPLETED

    @property
    def queue(self) -> str:
        return self.jobs[0].queue

    @property
    def jobtype(self) -> str:
        return self.jobs[0].jobtype

    @property
    def submitted_at(self) -> datetime:
        return self.jobs[0].submitted_at

    @property
    def started_at(self) -> datetime | None:
        """When the first of them started."""
        return min((job.started_at for job in self.jobs if job.started_at), default=None)

    @property
    def ended_at(self) -> datetime | None:
        """When the last of them ended, None while one has not."""
        ended = [job.ended_at for job in self.jobs if job.ended_at]
        return max(ended) if len(ended) == len(self.jobs) else None


def folded(jobs: Sequence[Job]) -> list[Job | JobArray]:
    """Jobs, newest first, with each array of several in one piece."""
    rows: list[Job | JobArray] = []
    members: dict[str, list[Job]] = {}
    for job in jobs:
        if job.array is None:
            rows.append(job)
        elif job.array in members:
            members[job.array].append(job)
        else:
            members[job.array] = [job]
            rows.append(JobArray(members[job.array]))
    # an array of one, or the one job of it that is left, is best shown as the job it is
    return [
        row.jobs[0] if isinstance(row, JobArray) and len(row.jobs) == 1 else row for row in rows
    ]
