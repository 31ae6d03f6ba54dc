"""Which executor a queue's jobs go to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kotta.errors import ConfigError
from kotta.models import JobDescription
from kotta_service.executors import Executor, Key, OnExit, OnPhase, QueueSize
from kotta_service.executors.local import LocalExecutor
from kotta_service.settings import Settings


class Executors:
    """All executors of a service, each with the queues whose jobs it places.

    Attributes:
        local: what runs jobs on this machine; what a queue had that is there no more is its.
        all: every executor, the local one first.
    """

    def __init__(self, settings: Settings, local: LocalExecutor, *others: Executor) -> None:
        self.local = local
        self.all: Sequence[Executor] = (local, *others)
        by_name = {executor.name: executor for executor in self.all}
        self._of = {name: by_name[queue.executor] for name, queue in settings.queues.items()}

    def start(self) -> None:
        for executor in self.all:
            executor.start()

    def stop(self) -> None:
        for executor in self.all:
            executor.stop()

    def of(self, queue: str) -> Executor:
        return self._of.get(queue, self.local)

    def queues_of(self, executor: Executor) -> list[str]:
        return [name for name, other in self._of.items() if other is executor]

    def directory(self, key: Key) -> Path:
        """Where an attempt's directory is, whatever its queue is or was."""
        for executor in self.all[1:]:
            if (found := executor.directory(key)).is_dir():
                return found
        return self.local.directory(key)

    def size(self, queue: str) -> QueueSize | None:
        """What a queue's engine says of it; None where the service itself counts, or no answer."""
        return self.of(queue).size(queue)

    @property
    def has_engines(self) -> bool:
        """Whether something else than this service itself runs jobs, which may have to be asked."""
        return len(self.all) > 1

    def problems(self, description: JobDescription) -> list[tuple[str, str]]:
        """What of a description its queue's engine would take and never start."""
        return self.of(description.queue).problems(description.queue, description)


def configured(
    settings: Settings,
    data: Path,
    on_phase: OnPhase,
    on_exit: OnExit,
) -> Executors:
    """The executors that the queues of these settings need.

    Args:
        data: the service's data directory.
        on_phase, on_exit: called, from threads, with what an attempt's runner tells.
    """
    others: list[Executor] = []
    names = {queue.executor for queue in settings.queues.values()}
    # who has neither does not pay for them
    if "slurm" in names:
        from kotta_service.executors.slurm.executor import SlurmExecutor

        folder = _shared_folder("slurm", settings.slurm.folder, data)
        others.append(SlurmExecutor(settings, folder, on_phase, on_exit))
    if "parsl" in names:
        from kotta_service.executors.parsl.executor import ParslExecutor

        folder = _shared_folder("parsl", settings.parsl.folder, data)
        others.append(ParslExecutor(settings, folder, on_phase, on_exit))
    return Executors(settings, LocalExecutor(data / "jobs", on_phase, on_exit), *others)


def _shared_folder(name: str, folder: Path | None, data: Path) -> Path:
    """The folder that an engine's nodes see; in the data directory is a link to it, for upkeep."""
    own = data / name
    try:
        if folder is None:
            own.mkdir(mode=0o700, exist_ok=True)
            return own
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if own.is_symlink():
            own.unlink()
        own.symlink_to(folder)
    except OSError as error:
        raise ConfigError(
            f"the folder that is shared with nodes cannot be used: {error}",
            hint=f"see [{name}] folder in the settings, and that nothing else is in "
            f"{own} if it was changed",
        ) from error
    return folder
