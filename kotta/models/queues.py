"""Queues, and where a job stands in one, or would stand."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from kotta.models.accounts import Limit
from kotta.models.job import Job
from kotta.models.many import Many


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Queue(_Reply):
    """A queue's size and load.

    Attributes:
        executor: what starts its jobs: `local`, the service itself; `slurm`, which gives its cores
            and memory to others as well; or `parsl`, in blocks of nodes that it holds.
        cpus: cores its jobs share.
        memory_mib: memory its jobs share, MiB; 0 where it is not counted, as in blocks of nodes.
        cpus_used: cores counted for jobs that run now; of a cluster's, all that are not free.
        memory_used_mib: memory counted for jobs that run now, MiB.
        running: jobs that run now.
        pending: jobs that wait.
        pending_after: how many of those wait for other jobs rather than for room.
        max_walltime_minutes: longest walltime it accepts.
    """

    name: str
    executor: str = "local"
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


class ClusterWait(_Reply):
    """Why a job waits in the queue of a cluster's own scheduler.

    Attributes:
        name: of the scheduler, such as `slurm`.
        native_id: what the scheduler calls the job, "" where that is not known yet.
        reason: its own word for why the job waits, "" for none.
        words: the same in words.
        starts_at: when it expects the job to start, None if it does not say.
    """

    name: str
    native_id: str
    reason: str
    words: str
    starts_at: datetime | None = None


class Place(_Reply):
    """Where a pending job stands, and what it waits for.

    Attributes:
        position: 1 is the next to start in its queue.
        needs: jobs that must complete first and have not yet, at most 20.
        next_up: the job at the head of its queue, None if that is this one.
        head_lacks: what the head of the queue waits for: `cpus`, `memory`, or "" if there is room.
        limit: the limit of its owner that keeps it from starting, None if none does; those of other
            users go first then.
        cluster: what the cluster that it was handed to says, None if it was not.
        queue: the queue as it is now.
        running: jobs that run in it now, at most 20.
    """

    job: Job
    position: int
    needs: Many[Job]
    next_up: Job | None = None
    head_lacks: str = ""
    limit: Limit | None = None
    cluster: ClusterWait | None = None
    queue: Queue
    running: Many[Job]


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
