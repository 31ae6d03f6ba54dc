"""Parsl's parts, put together as the settings of a queue say. Imported where a queue needs them."""

from __future__ import annotations

import inspect
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import parsl.launchers
import parsl.providers
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD, HighThroughputExecutor
from parsl.logconfigs.file import FileLogging

from kotta_service.parsl_settings import BlockSettings

_PROVIDERS = {
    "local": "LocalProvider",
    "slurm": "SlurmProvider",
    "pbspro": "PBSProProvider",
    "torque": "TorqueProvider",
    "lsf": "LSFProvider",
    "grid_engine": "GridEngineProvider",
    "condor": "CondorProvider",
    "kubernetes": "KubernetesProvider",
    "aws": "AWSProvider",
    "azure": "AzureProvider",
    "googlecloud": "GoogleCloudProvider",
}
_LAUNCHERS = {
    "simple": "SimpleLauncher",
    "single_node": "SingleNodeLauncher",
    "srun": "SrunLauncher",
    "srun_mpi": "SrunMPILauncher",
    "mpiexec": "MpiExecLauncher",
    "mpirun": "MpiRunLauncher",
    "aprun": "AprunLauncher",
    "jsrun": "JsrunLauncher",
    "gnu_parallel": "GnuParallelLauncher",
}
_WORKER_POOL = "parsl.executors.high_throughput.process_worker_pool"
_OPTIONS = DEFAULT_LAUNCH_CMD.partition(" ")[2]
"""What Parsl gives its worker pool; its own command would have to be on the path of nodes."""
_AND_WHAT_WAS_THERE = '"${{{{PYTHONPATH:+:$PYTHONPATH}}}}"'
_ANSWER_SECONDS = 30
_STATUS_SECONDS = 10
_BEATS = 5
"""How many heartbeats fit into the time after which one counts as lost."""


class Pilot(HighThroughputExecutor):
    """The HighThroughputExecutor of one queue, without a DataFlowKernel.

    It does not wait for ever for an interchange that has died, asks for blocks more often than
    Parsl, and does not give up all of its work when some of its blocks cannot be started.
    """

    def __init__(self, queue: str, blocks: BlockSettings, folder: Path, archive: Path) -> None:
        self._nodes = _provider(blocks)
        python = blocks.python or sys.executable
        # what workers call is in the archive, which is the runner of this version of the service
        own_path = f"PYTHONPATH={_quoted(str(archive))}{_AND_WHAT_WAS_THERE}"
        super().__init__(
            label=queue,
            provider=self._nodes,
            launch_cmd=f"env {own_path} {_quoted(python)} -m {_WORKER_POOL} {_OPTIONS}",
            interchange_launch_cmd=[
                sys.executable,
                "-m",
                "kotta_service.executors.parsl.interchange",
                str(os.getpid()),
            ],
            address=blocks.address or ("127.0.0.1" if blocks.provider == "local" else None),
            cores_per_worker=blocks.cores_per_worker,
            max_workers_per_node=blocks.workers_per_node,
            available_accelerators=blocks.accelerators_per_node,
            heartbeat_period=max(1, blocks.heartbeat_seconds // _BEATS),
            heartbeat_threshold=blocks.heartbeat_seconds,
            drain_period=None if blocks.drain_minutes is None else blocks.drain_minutes * 60,
            block_error_handler=False,
            encrypted=True,
        )
        self.run_dir = str(folder)
        self.run_id = folder.name
        # by itself it writes some lines for each call
        self.log_config = FileLogging(level=logging.WARNING)
        self._nodes.script_dir = str(folder / "scripts")
        (folder / "scripts").mkdir(mode=0o700, parents=True)

    @property
    def status_polling_interval(self) -> int:
        return min(_STATUS_SECONDS, int(super().status_polling_interval))

    def scale_in(self, blocks: int, max_idletime: float | None = None) -> list[str]:
        """Gives blocks back; asked for none, Parsl's own gives back all that have not begun."""
        if blocks < 1:
            return []
        given: list[str] = super().scale_in(blocks, max_idletime)
        return given

    def connected_managers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.command_client.run("MANAGERS", timeout_s=_ANSWER_SECONDS)
        return found

    def connected_blocks(self) -> list[str]:
        found: list[str] = self.command_client.run("CONNECTED_BLOCKS", timeout_s=_ANSWER_SECONDS)
        return found

    @property
    def is_alive(self) -> bool:
        """Whether it can still take calls."""
        process = self.interchange_proc
        return process is not None and process.poll() is None and not self.bad_state_is_set

    def cancel_blocks(self) -> None:
        """Gives all nodes back, whatever runs there."""
        live = [name for name, status in self.status_facade.items() if not status.terminal]
        jobs = [self.blocks_to_job_id[name] for name in live if name in self.blocks_to_job_id]
        if jobs:
            self._nodes.cancel(jobs)


def unknown_options(blocks: BlockSettings) -> list[str]:
    """The options that the provider does not have."""
    known = inspect.signature(getattr(parsl.providers, _PROVIDERS[blocks.provider])).parameters
    return sorted(blocks.options.keys() - known.keys())


def _quoted(text: str) -> str:
    """For a shell, and for Parsl, which formats its command twice."""
    return shlex.quote(text).replace("{", "{{{{").replace("}", "}}}}")


def _provider(blocks: BlockSettings) -> Any:
    """The provider that settings name; raises what it says of its options."""
    given = {
        "init_blocks": blocks.min_blocks,
        "min_blocks": blocks.min_blocks,
        "max_blocks": blocks.max_blocks,
        **blocks.options,
    }
    if blocks.nodes_per_block > 1:
        given["nodes_per_block"] = blocks.nodes_per_block  # which not all of them know
    if blocks.launcher:
        given["launcher"] = getattr(parsl.launchers, _LAUNCHERS[blocks.launcher])()
    return getattr(parsl.providers, _PROVIDERS[blocks.provider])(**given)
