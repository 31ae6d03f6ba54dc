"""What a partition is: its limits, its nodes, and how full it is."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from kotta_service.executors import QueueSize
from kotta_service.executors.slurm.commands import BRIEF_SECONDS, Commands, SlurmError
from kotta_service.settings import QueueSettings

_FRESH_SECONDS = 2
_KNOWN_SECONDS = 60
_NODE_FORMAT = "PartitionName:|,NodeList:|,CPUsState:|,Memory:|,AllocMem:|,Gres:|"
_ELSEWHERE = ("-M", "--clusters")
"""Beginnings of options that send jobs to another cluster than the one that is asked."""
_KILL_WAIT = re.compile(r"^KillWait\s*=\s*(\d+) sec", re.MULTILINE)
_GPUS = re.compile(r"gpu(?::[^:,()]+)?:(\d+)")


@dataclass
class Partition:
    """A partition as Slurm tells of it, None for what it does not limit.

    Attributes:
        largest_cpus: cores of its largest node; so for memory and GPUs.
    """

    name: str
    state: str = "UP"
    is_default: bool = False
    max_minutes: int | None = None
    max_cpus_per_node: int | None = None
    max_memory_mib: int | None = None
    largest_cpus: int = 0
    largest_memory_mib: int = 0
    largest_gpus: int = 0
    cpus: int = 0
    cpus_used: int = 0
    memory_mib: int = 0
    memory_used_mib: int = 0
    nodes: set[str] = field(default_factory=set)

    def size(self) -> QueueSize:
        return QueueSize(
            self.cpus, self.cpus_used, self.memory_mib, self.memory_used_mib, self.max_minutes
        )


class Partitions:
    """The partitions of a cluster, asked for now and then, by whichever thread wants to know."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._lock = threading.Lock()
        self._found: Mapping[str, Partition] = {}
        self._asked_at = float("-inf")
        self._kill_wait_seconds = 30

    @property
    def kill_wait_seconds(self) -> int:
        """How long Slurm waits between SIGTERM and SIGKILL, as far as it has told."""
        return self._kill_wait_seconds

    def of(self, queue: QueueSettings, *, is_fresh: bool = False) -> Partition | None:
        """The partition of a queue; None if Slurm does not answer, or has none of that name.

        Args:
            is_fresh: how full it is matters, rather than how large.
        """
        found = self._known(_FRESH_SECONDS if is_fresh else _KNOWN_SECONDS)
        if queue.partition:
            return found.get(queue.partition.split(",")[0])
        return next((each for each in found.values() if each.is_default), None)

    def missing(self, queue: QueueSettings) -> list[str]:
        """The partitions of a queue that Slurm says it has not; none before it has answered."""
        if any(each.startswith(_ELSEWHERE) for each in queue.extra_arguments):
            return []
        names = queue.partition.split(",") if queue.partition else []
        for seconds in (_KNOWN_SECONDS, _FRESH_SECONDS):  # one may have been added a moment ago
            found = self._known(seconds)
            missing = [name for name in names if name not in found] if found else []
            if not missing:
                break
        return missing

    def ask(self) -> None:
        """Asks Slurm now.

        Raises:
            SlurmError: it does not answer.
        """
        with self._lock:
            self._ask()

    def _known(self, seconds: float) -> Mapping[str, Partition]:
        """The partitions as Slurm last told of them; it is asked if that is longer ago."""
        with self._lock:
            if time.monotonic() - self._asked_at > seconds:
                with contextlib.suppress(SlurmError):
                    self._ask()  # what was known before is better than nothing
            return self._found

    def _ask(self) -> None:
        try:
            self._found = _partitions(self._commands)
            text = self._commands.run("scontrol", "show", "config", seconds=BRIEF_SECONDS)
            if told := _KILL_WAIT.search(text):
                self._kill_wait_seconds = int(told[1])
        finally:
            # after a failure too: each caller would have to wait as long
            self._asked_at = time.monotonic()


def _partitions(commands: Commands) -> dict[str, Partition]:
    found = {}
    for line in commands.run(
        "scontrol", "--all", "--oneliner", "show", "partition", seconds=BRIEF_SECONDS
    ).splitlines():
        values = dict(word.partition("=")[::2] for word in line.split())
        name = values.get("PartitionName", "")
        if name:
            found[name] = _partition(name, values)
    text = commands.run(
        "sinfo", "--noheader", "--all", "--Node", "--Format", _NODE_FORMAT, seconds=BRIEF_SECONDS
    )
    for line in text.splitlines():
        fields = [part.strip() for part in line.split("|")]
        if len(fields) >= 6 and fields[0] in found:
            _count_node(found[fields[0]], *fields[1:6])
    return found


def _partition(name: str, values: Mapping[str, str]) -> Partition:
    return Partition(
        name=name,
        state=values.get("State", "UP"),
        is_default=values.get("Default") == "YES",
        max_minutes=minutes(values.get("MaxTime", "")),
        max_cpus_per_node=_number(values.get("MaxCPUsPerNode", "")),
        max_memory_mib=_number(values.get("MaxMemPerNode", "")),
    )


def _count_node(
    partition: Partition, node: str, cpus: str, memory: str, used_memory: str, gres: str
) -> None:
    if node in partition.nodes:
        return
    partition.nodes.add(node)
    allocated, idle, _other, total = ([int(part) for part in cpus.split("/")] + [0] * 4)[:4]
    memory_mib, used_mib = _number(memory) or 0, _number(used_memory) or 0
    partition.cpus += total
    # what is down or drained is not free either
    partition.cpus_used += total - idle
    partition.memory_mib += memory_mib
    partition.memory_used_mib += used_mib if idle or allocated else memory_mib
    partition.largest_cpus = max(partition.largest_cpus, total)
    partition.largest_memory_mib = max(partition.largest_memory_mib, memory_mib)
    gpus = sum(int(count) for count in _GPUS.findall(gres))
    partition.largest_gpus = max(partition.largest_gpus, gpus)


def minutes(text: str) -> int | None:
    """A time limit as Slurm writes it, `[days-]hours:minutes:seconds`; None for none."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if found is None:
        return None
    days, hours, rest = int(found[1] or 0), int(found[2]), int(found[3])
    return (days * 24 + hours) * 60 + rest


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
