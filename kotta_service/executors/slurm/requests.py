"""What a launch asks of Slurm, and what of a description Slurm would take and never start."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kotta.models import JobDescription
from kotta_service.executors import Key
from kotta_service.executors.slurm.commands import name_of
from kotta_service.executors.slurm.giving import Account
from kotta_service.executors.slurm.partitions import Partition
from kotta_service.executors.slurm.sending import Wanted
from kotta_service.settings import QueueSettings, Settings

INHERITED = (
    "SLURM_", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
    "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "TMPDIR",
)  # fmt: skip
"""Beginnings of variables by which Slurm and its plugins tell a job what is its."""


_MAIN = (
    "import gc, os, sys; gc.disable(); sys.path.insert(0, sys.argv.pop(1)); "
    "from kotta_runner.__main__ import main; os._exit(main())"
)
"""Begins and ends without what costs time and is of no use to a process for one job: looking for
garbage in what has just been imported, and taking all of it apart at the end."""


def wanted(
    settings: Settings,
    queue: QueueSettings,
    partition: Partition | None,
    launch: dict[str, Any],
    account: Account | None = None,
    *,
    archive: Path,
    written: Path,
) -> Wanted:
    """How a launch is submitted.

    Args:
        account: whose job it is to be, None for the service's own.
        archive: the runner.
        written: the launch, where the runner reads it.
    """
    asked = launch["resources"]
    key = Key(launch["job_id"], launch["attempt"])
    minutes = time_limit_minutes(settings, partition, launch["walltime_seconds"])
    # in the name of a file, % stands for something
    log = str(Path(launch["directory"]) / "runner.log").replace("%", "%%")
    arguments = [
        "--no-requeue",
        f"--job-name={name_of(key)}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={asked['cpus']}",
        f"--mem={asked['memory_mib']}M",
        f"--time={minutes}",
        "--chdir=/",
        f"--output={log}",
        "--open-mode=append",
    ]
    if asked["gpus"]:
        arguments.append(f"--gres=gpu:{asked['gpus']}")
    # a function may need what is in site-packages, a script does not; and -c spares `runpy`
    options = ["-c"] if launch["function"] else ["-S", "-E", "-c"]
    command = shlex.join([settings.slurm.python, *options, _MAIN, str(archive), str(written)])
    arguments += options_of(queue)
    if account is None:
        return Wanted(arguments, f"#!/bin/sh\nexec {command}\n")
    own = {name: launch["environment"].get(name, "") for name in ("HOME", "LOGNAME", "USER")}
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in own.items())
    arguments += [f"--uid={account.uid}", f"--gid={account.gid}"]
    return Wanted(arguments, f"#!/bin/sh\nexport {exports}\nexec {command}\n")


def options_of(queue: QueueSettings) -> list[str]:
    """The options of `sbatch` that all jobs of a queue have."""
    named = ((name, getattr(queue, name)) for name in queue.slurm_options)
    return [*(f"--{name}={value}" for name, value in named if value), *queue.extra_arguments]


def time_limit_minutes(
    settings: Settings, partition: Partition | None, walltime_seconds: float
) -> int:
    """The time limit at Slurm: the walltime, which the runner keeps to the second, and some more.

    Never beyond the partition's: a job of such a limit would wait for ever.
    """
    walltime = math.ceil(walltime_seconds / 60)
    whole = walltime + math.ceil(settings.grace_seconds / 60) + settings.slurm.staging_minutes
    most = None if partition is None else partition.max_minutes
    return whole if most is None else max(walltime, min(whole, most))


def problems(
    queue: QueueSettings, partition: Partition | None, description: JobDescription
) -> Iterator[tuple[str, str]]:
    """What no node of a partition has, or its limits exclude: field and words."""
    if partition is None:
        return
    memory = description.memory or queue.default_memory_mib(description.cpus)
    limits = (
        ("walltime", math.ceil(description.walltime), partition.max_minutes, "minutes"),
        ("cpus", description.cpus, _least(partition.largest_cpus, partition.max_cpus_per_node),
         "cores on a node"),
        ("memory", memory, _least(partition.largest_memory_mib, partition.max_memory_mib),
         "MiB on a node"),
    )  # fmt: skip
    for field, asked, most, unit in limits:
        if most is not None and asked > most:
            place = f"partition `{partition.name}` of Slurm"
            yield field, f"is {asked}, but {place} has {most} {unit} at most"
    if description.gpus > (most := partition.largest_gpus):
        has = f"{most} GPU{'s' if most != 1 else ''} at most" if most else "no GPU"
        yield "gpus", f"is {description.gpus}, but a node of `{partition.name}` has {has}"


def _least(largest: int, limit: int | None) -> int | None:
    """The smaller one of what the largest node has (0 where no node is known) and a limit."""
    known = [each for each in (largest or None, limit) if each is not None]
    return min(known) if known else None
