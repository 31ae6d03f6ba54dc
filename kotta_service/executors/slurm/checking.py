"""What a cluster says of the settings of queues, before any job is handed to it."""

from __future__ import annotations

from collections.abc import Iterator

from kotta_service.executors.slurm import requests
from kotta_service.executors.slurm.commands import Commands, SlurmError
from kotta_service.executors.slurm.partitions import Partitions
from kotta_service.settings import QueueSettings, Settings


def problems(settings: Settings) -> Iterator[str]:
    """What Slurm does not have, or would refuse, in sentences; it is asked, and given no job."""
    queues = {name: queue for name, queue in settings.queues.items() if queue.executor == "slurm"}
    if not queues:
        return
    commands = Commands(settings.slurm, lambda _: False)
    partitions = Partitions(commands)
    try:
        partitions.ask()
    except SlurmError as error:
        yield f"[slurm] the cluster cannot be asked: {error}"
        return
    for name, queue in queues.items():
        for words in _problems_of(queue, partitions, commands):
            yield f"queue `{name}`: {words}"


def _problems_of(queue: QueueSettings, partitions: Partitions, commands: Commands) -> Iterator[str]:
    if missing := partitions.missing(queue):
        yield f"Slurm has no partition `{missing[0]}`"
        return
    partition = partitions.of(queue)
    most = None if partition is None else partition.max_minutes
    # the default is no wish
    is_said = "max_walltime_minutes" in queue.model_fields_set
    if partition and most is not None and is_said and queue.max_walltime_minutes > most:
        place = f"partition `{partition.name}` of Slurm"
        asked = queue.max_walltime_minutes
        yield f"max_walltime_minutes is {asked}, but {place} has {most} at most"
    if queue.has_runners_of_accounts:
        return  # Slurm's answer depends on whose job it is
    options = ["--nodes=1", "--ntasks=1", "--time=1", f"--mem={queue.default_memory_mib(1)}M"]
    try:
        commands.try_out([*options, *requests.options_of(queue)])
    except SlurmError as error:
        yield f"sbatch --test-only, for a job of one core, says: {error}"
