"""How jobs are handed to Parsl, `[parsl]` and `[queues.NAME.parsl]`, and what is wrong with it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from kotta_service.settings import QueueSettings, Settings

_KEPT = frozenset(
    {"nodes_per_block", "init_blocks", "min_blocks", "max_blocks", "launcher", "parallelism"}
)
"""Options of providers that are settings by themselves."""
_ONE_NODE = frozenset({"", "simple", "single_node"})


class BlockSettings(BaseModel):
    """The blocks of nodes that a queue's jobs run in: `[queues.NAME.parsl]`.

    Attributes:
        provider: what gives nodes, by Parsl's name for it.
        options: of that provider, by the names of its parameters, such as `partition`, `walltime`,
            `worker_init`.
        launcher: what starts workers on the nodes of a block; "": the provider's default.
        nodes_per_block: nodes that are asked for, and given back, at once.
        min_blocks: how many blocks are kept though no job waits.
        max_blocks: how many there are at most.
        workers_per_node: jobs that run on a node at once.
        cores_per_worker: cores that each of them has.
        accelerators_per_node: GPUs of a node; each worker has one, and there are no more workers.
        idle_seconds: a block that has had no job for so long is given back.
        drain_minutes: a block takes no more jobs after this; None: until its end.
        heartbeat_seconds: a node that has not been heard of for so long is lost, and a block that
            does not hear from the service leaves.
        address: of the service's machine, as nodes reach it; "": they try all it has, or, with
            `local`, 127.0.0.1.
        python: on the nodes, with the same version of Parsl; "": the service's own, by its path.
    """

    model_config = ConfigDict(extra="forbid")

    provider: Literal[
        "local", "slurm", "pbspro", "torque", "lsf", "grid_engine", "condor", "kubernetes",
        "aws", "azure", "googlecloud",
    ] = "local"  # fmt: skip
    options: dict[str, Any] = Field(default_factory=dict)
    launcher: Literal[
        "", "simple", "single_node", "srun", "srun_mpi", "mpiexec", "mpirun", "aprun", "jsrun",
        "gnu_parallel",
    ] = ""  # fmt: skip
    nodes_per_block: Annotated[int, Field(ge=1, le=100_000)] = 1
    min_blocks: Annotated[int, Field(ge=0, le=10_000)] = 0
    max_blocks: Annotated[int, Field(ge=1, le=10_000)] = 1
    workers_per_node: Annotated[int, Field(ge=1, le=10_000)] = 1
    cores_per_worker: Annotated[int, Field(ge=1, le=10_000)] = 1
    accelerators_per_node: Annotated[int, Field(ge=0, le=10_000)] = 0
    idle_seconds: Annotated[float, Field(ge=1, le=1_000_000)] = 120
    drain_minutes: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    heartbeat_seconds: Annotated[int, Field(ge=3, le=3600)] = 30
    address: Annotated[str, Field(pattern=r"^\S*$", max_length=1024)] = ""
    python: Annotated[str, Field(pattern="^(/.*)?$", max_length=4096)] = ""

    @property
    def workers_per_block(self) -> int:
        per_node = self.workers_per_node
        if self.accelerators_per_node:
            per_node = min(per_node, self.accelerators_per_node)
        return self.nodes_per_block * per_node


class ParslSettings(BaseModel):
    """What all queues with `executor = "parsl"` have in common: `[parsl]`.

    Attributes:
        folder: a folder on a file system that the service and all nodes see under this path; None:
            `parsl` in the data directory, which then has to be such a one.
        url: where nodes reach this service, such as `https://kotta.lab`; needed where it keeps
            files in S3, as runners ask for signed URLs.
        alive_seconds: how often a runner shows that it lives, and looks whether it is to cancel.
        max_pending: how many jobs of a queue may be handed over at once; more wait here.
    """

    model_config = ConfigDict(extra="forbid")

    folder: Path | None = None
    url: Annotated[str, Field(pattern="^(https?://[^/]+)?/?$", max_length=1024)] = ""
    alive_seconds: Annotated[float, Field(ge=0.2, le=60)] = 2
    max_pending: Annotated[int, Field(ge=1, le=100_000)] = 2000


def problems(settings: Settings) -> list[str]:
    """What keeps queues from their jobs' being handed to Parsl, in sentences; or nothing."""
    found: list[str] = []
    ours = {name: queue for name, queue in settings.queues.items() if queue.executor == "parsl"}
    for name, queue in settings.queues.items():
        if name not in ours and queue.parsl != BlockSettings():
            found.append(f'queue `{name}`: `parsl` needs executor = "parsl"')
    if not ours:
        return found
    if importlib.util.find_spec("parsl") is None:
        found.append("Parsl is not installed: pip install 'kotta-cli[parsl]'")
    for name, queue in ours.items():
        found += [f"queue `{name}`: {words}" for words in _problems_of(queue)]
    is_here = all(queue.parsl.provider == "local" for queue in ours.values())
    if settings.storage and not settings.parsl.url and not is_here:
        found.append("[parsl] url is missing: runners ask the service for the URLs of files in S3")
    return [*found, *_problems(settings.parsl)]


def _problems_of(queue: QueueSettings) -> Iterator[str]:
    blocks = queue.parsl
    if blocks.min_blocks > blocks.max_blocks:
        yield f"min_blocks is {blocks.min_blocks}, but max_blocks {blocks.max_blocks}"
    for option in sorted(_KEPT & blocks.options.keys()):
        where = "always 1" if option == "parallelism" else "a setting beside options"
        where = "min_blocks" if option == "init_blocks" else where
        yield f"options.{option} is {where}"
    if blocks.nodes_per_block > 1 and blocks.launcher in _ONE_NODE:
        yield "blocks of several nodes need a launcher, such as srun or mpiexec"


def _problems(parsl: ParslSettings) -> Iterator[str]:
    if parsl.folder is None:
        return
    if not parsl.folder.is_absolute():
        yield f"[parsl] folder: {parsl.folder} is no absolute path"
        return
    nearest = next(each for each in (parsl.folder, *parsl.folder.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield f"[parsl] folder: nothing can be written to {nearest}"
