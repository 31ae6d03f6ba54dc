"""What a job used over its life, as its runner sampled it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from kotta.models.many import Many


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class UsageSample(_Reply):
    """What a job's processes used at one moment.

    Attributes:
        seconds: since its command was started.
        at: the same moment by the clock.
        cpu_seconds: user and system time of all its processes so far.
        cores: cores they kept busy since the sample before, on average; None for the first.
        memory_bytes: resident memory of all of them, now; None where none was there to be
            measured, as at the start and at the end.
        processes: how many there were.
        disk_bytes: what its working directory takes; None where there are too many files to count.
        stdout_bytes: how long the stream was.
    """

    seconds: float
    at: datetime
    cpu_seconds: float
    cores: float | None = None
    memory_bytes: int | None = None
    processes: int = 0
    disk_bytes: int | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0


class Usage(_Reply):
    """What one attempt of a job used, oldest sample first.

    Attributes:
        id: of the job.
        attempt: which one it tells of; 0: none was started.
        cpus: cores that the job asked for.
        memory_mib: memory that it asked for, MiB.
        samples: the first at the command's start, the last at its end. Up to 720: a second apart
            in the first twelve minutes, then further and further. Empty while no command has run,
            and for half a second after its start.
    """

    id: str
    attempt: int
    cpus: int
    memory_mib: int
    walltime_seconds: float
    samples: Many[UsageSample] = []
