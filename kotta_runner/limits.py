"""What a job may use, and how it is held to that: files by the kernel, the rest by looking."""

from __future__ import annotations

import contextlib
import os
import resource
import time

from kotta_runner import TYPE_CHECKING
from kotta_runner.isolation import account_of, kind_of
from kotta_runner.process_tree import descendants

if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Optional

CHECK_SECONDS = 0.25
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SANDBOX_PROCESSES = 2
"""Bubblewrap's own: one outside, one that is the first in its process namespace."""
_SPARE_PROCESSES = 32


class Watch:
    """Looks at what a job's processes use together.

    Attributes:
        due: when to look again, on the monotonic clock; None if there is nothing to look at.
        words: by how much it went over a limit.
        peak_memory_bytes: the most memory that was found to be used, where that was looked at
            closely: near the limit.
    """

    def __init__(self, launch: Dict[str, Any]) -> None:
        limits = launch.get("limits") or {}
        self._memory_bytes: Optional[int] = limits.get("memory_bytes")
        self._processes: Optional[int] = limits.get("processes")
        self._own_processes = _SANDBOX_PROCESSES if kind_of(launch) == "bubblewrap" else 0
        is_needed = self._memory_bytes is not None or self._processes is not None
        self.due: Optional[float] = time.monotonic() + CHECK_SECONDS if is_needed else None
        self.words = ""
        self.peak_memory_bytes = 0

    def check(self, now: float) -> Optional[str]:
        """Looks, if it is time to: the reason to end the job, `memory` or `limit`, if any."""
        if self.due is None or now < self.due:
            return None
        self.due = now + CHECK_SECONDS
        processes = descendants().processes
        count = len(processes) - self._own_processes
        if self._processes is not None and count > self._processes:
            self.words = "it had %d processes, and may have %d" % (count, self._processes)
            return "limit"
        if self._memory_bytes is None:
            return None
        # what processes share counts once for each in the first figure, which is quick to get
        if sum(map(_resident_bytes, processes)) <= self._memory_bytes:
            return None
        used = _proportional_bytes(processes)
        self.peak_memory_bytes = max(self.peak_memory_bytes, used)
        if used <= self._memory_bytes:
            return None
        self.words = "it used %.0f MiB of memory, and may use %.0f MiB" % (
            used / (1 << 20),
            self._memory_bytes / (1 << 20),
        )
        return "memory"


def limit(process: int, launch: Dict[str, Any]) -> None:
    """Bounds a started command by the kernel's own means: its files, and its account's processes.

    Args:
        process: its id; 0 for this process, before it becomes the command.
    """
    limits = launch.get("limits") or {}
    if limits.get("output_bytes") is not None:
        _lower(process, resource.RLIMIT_FSIZE, limits["output_bytes"])
    limit_processes(process, launch)


def limit_processes(process: int, launch: Dict[str, Any]) -> None:
    """Bounds the processes of the account that a process is, where there is a limit of them."""
    limits = launch.get("limits") or {}
    account = account_of(launch)
    if account is not None and limits.get("processes") is not None:
        # counted by the kernel for the account, not the job: a bound for what grows faster than we
        # look, and far enough off that what goes over the limit is seen, and told why it ends
        bound = 2 * limits["processes"] + _SPARE_PROCESSES + _processes_of(account.uid)
        _lower(process, resource.RLIMIT_NPROC, bound)


def _lower(process: int, what: int, value: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if hasattr(resource, "prlimit"):
            _, most = resource.prlimit(process, what)
            if most == resource.RLIM_INFINITY or most > value:
                resource.prlimit(process, what, (value, value))
        elif process == 0:
            resource.setrlimit(what, (value, value))


def _processes_of(uid: int) -> int:
    count = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                count += os.stat("/proc/" + entry).st_uid == uid
    return count


def _resident_bytes(process: int) -> int:
    try:
        with open("/proc/%d/statm" % process, "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _proportional_bytes(processes: Iterable[int]) -> int:
    """Memory of these, what several of them share divided among those who do."""
    total = 0
    for process in processes:
        try:
            with open("/proc/%d/smaps_rollup" % process, "rb") as file:
                # Source: proc(5): "Pss:   123 kB"
                total += next(
                    int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:")
                )
        except (OSError, StopIteration):
            total += _resident_bytes(process)
    return total
