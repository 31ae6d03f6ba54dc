"""How a service speaks with Slurm: `[slurm]`; and what keeps it from doing so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from kotta_service.settings import Settings

_PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol")


class SlurmSettings(BaseModel):
    """What all queues with `executor = "slurm"` have in common.

    Attributes:
        folder: a folder on a file system that the service and all nodes see under this path; None:
            `slurm` in the data directory, which then has to be such a one.
        programs: the folder of `sbatch`, `squeue`, `scancel`, `sinfo` and `scontrol`; "": they are
            found on the path.
        configuration: the cluster's `slurm.conf`, None where the programs find it by themselves.
        python: Python 3.9 or later on the nodes.
        url: where nodes reach this service, such as `https://kotta.lab`: runners then tell at once
            how jobs go, and have the URLs of files in S3 signed; `unix:/path` of its socket, where
            this machine is the only node. "": how jobs go is seen in the folder.
        poll_seconds: how often Slurm is asked how jobs are; less often where an answer takes long.
        absent_seconds: how long a job that Slurm knows no more, and that left no record, is waited
            for before it counts as lost.
        alive_seconds: how often a runner shows that it lives.
        staging_minutes: what a job's time limit at Slurm has beyond its walltime: for bringing
            inputs and keeping outputs.
        max_pending: how many jobs of a queue may wait at Slurm at once; more wait here.
    """

    model_config = ConfigDict(extra="forbid")

    folder: Path | None = None
    programs: Annotated[str, Field(pattern="^(/.*)?$", max_length=4096)] = ""
    configuration: Path | None = None
    python: Annotated[str, Field(min_length=1, max_length=4096)] = "python3"
    url: Annotated[str, Field(pattern="^((https?://[^/]+)?/?|unix:/.+)$", max_length=1024)] = ""
    poll_seconds: Annotated[float, Field(ge=0.1, le=600)] = 2
    absent_seconds: Annotated[float, Field(ge=1, le=86_400)] = 30
    alive_seconds: Annotated[float, Field(ge=0.2, le=60)] = 5
    staging_minutes: Annotated[int, Field(ge=0, le=10_000)] = 10
    max_pending: Annotated[int, Field(ge=1, le=100_000)] = 1000


def problems(settings: Settings) -> list[str]:
    """What keeps queues from their jobs' being handed to Slurm, in sentences; or nothing."""
    found = []
    for name, queue in settings.queues.items():
        if queue.executor != "slurm":
            given = [
                each for each in (*queue.slurm_options, "extra_arguments") if getattr(queue, each)
            ]
            found += [f'queue `{name}`: `{each}` needs executor = "slurm"' for each in given]
    if any(queue.executor == "slurm" for queue in settings.queues.values()):
        found += _problems(settings.slurm)
        if settings.storage and not settings.slurm.url:
            found.append(
                "[slurm] url is missing: runners ask the service for the URLs of files in S3"
            )
        found += _shared_folder(settings)
    return found


def _shared_folder(settings: Settings) -> Iterator[str]:
    ours, parsls = settings.slurm.folder, settings.parsl.folder
    has_parsl = any(queue.executor == "parsl" for queue in settings.queues.values())
    if has_parsl and ours is not None and parsls is not None and ours.resolve() == parsls.resolve():
        yield f"[slurm] and [parsl] have the same folder, {ours}: each needs one of its own"


def _problems(slurm: SlurmSettings) -> Iterator[str]:
    missing = [name for name in _PROGRAMS if shutil.which(_path(slurm, name)) is None]
    if missing:
        where = f"in {slurm.programs}" if slurm.programs else "on the path"
        yield f"[slurm] there is no {', '.join(missing)} {where}: install Slurm's commands"
    if slurm.configuration is not None and not slurm.configuration.is_file():
        yield f"[slurm] configuration: there is no {slurm.configuration}"
    if slurm.folder is None:
        return
    if not slurm.folder.is_absolute():
        yield f"[slurm] folder: {slurm.folder} is no absolute path"
        return
    nearest = next(each for each in (slurm.folder, *slurm.folder.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield f"[slurm] folder: nothing can be written to {nearest}"


def _path(slurm: SlurmSettings, program: str) -> str:
    return f"{slurm.programs.rstrip('/')}/{program}" if slurm.programs else program
