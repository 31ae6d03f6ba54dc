"""Samples what a job's processes use over its life, in a bounded number of samples."""

from __future__ import annotations

import contextlib
import json
import os
import time

from kotta_runner import TYPE_CHECKING
from kotta_runner.process_tree import Children, descendants

if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

FIRST_SECONDS = 0.5
INTERVAL_SECONDS = 1.0
MAX_SAMPLES = 720
MAX_FILES_COUNTED = 2_000
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Keeps `usage.jsonl` of an attempt: one line of JSON a sample. A job that has ended before the
    second has no such file.

    A line holds `seconds` (since the command's start), `at` (the same moment, since 1970),
    `cpu_seconds` (of the whole tree, so far), `memory_bytes` (resident, now; null at the start and
    at the end, where no process is there to be measured), `processes`, `disk_bytes` (in the working
    directory; null where there are too many files to count), and how long the streams are:
    `stdout_bytes` and `stderr_bytes`. When there are too many samples, every second one is dropped
    and the interval doubles, so a job of a week has as many as one of twelve minutes.

    Attributes:
        due: when the next sample is to be taken, on the monotonic clock.
        peak_memory_bytes: the largest `memory_bytes` so far.
    """

    def __init__(self, directory: str, work: str, children: Children) -> None:
        self._directory = directory
        self._path = os.path.join(directory, "usage.jsonl")
        self._work = work
        self._children = children
        self._start = time.monotonic()
        self._interval = INTERVAL_SECONDS
        self.due = self._start + FIRST_SECONDS
        self.peak_memory_bytes = 0
        # written with the sample after it: a job that ends at once is to pay for no file
        self._unwritten: List[Dict[str, Any]] = []
        self._is_written = False
        self._samples: List[Dict[str, Any]] = []
        self._note(0.0, None, 0)

    def sample(self) -> None:
        """Takes a sample; a disk that is full loses it, and nothing else."""
        self.due = time.monotonic() + self._interval
        cpu_seconds, memory_bytes, count = _tree_usage()
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory_bytes)
        self._note(cpu_seconds + self._children.cpu_seconds, memory_bytes, count)
        self._keep()

    def finish(self) -> "List[Dict[str, Any]]":
        """Takes the last sample, once nothing of the job is running.

        Returns:
            All of them, if none has been written: the exit record is to hold them.
        """
        self._note(self._children.cpu_seconds, None, 0)
        if not self._is_written:
            return self._samples
        self._keep()
        return []

    def _note(self, cpu_seconds: float, memory_bytes: Optional[int], processes: int) -> None:
        sample = {
            "seconds": round(time.monotonic() - self._start, 3),
            "at": round(time.time(), 3),
            "cpu_seconds": round(cpu_seconds, 3),
            "memory_bytes": memory_bytes,
            "processes": processes,
            "disk_bytes": _disk_bytes(self._work),
            "stdout_bytes": self._size("stdout"),
            "stderr_bytes": self._size("stderr"),
        }
        self._samples.append(sample)
        self._unwritten.append(sample)

    def _keep(self) -> None:
        self._is_written = True
        with contextlib.suppress(OSError):
            if len(self._samples) > MAX_SAMPLES:
                self._samples = self._samples[::2]
                self._interval *= 2
                self._write(self._path + ".new", self._samples, os.O_TRUNC)
                os.rename(self._path + ".new", self._path)
            else:
                self._write(self._path, self._unwritten, os.O_APPEND)
        self._unwritten = []

    def _size(self, stream: str) -> int:
        try:
            return os.stat(os.path.join(self._directory, stream)).st_size
        except OSError:
            return 0

    def _write(self, path: str, samples: List[Dict[str, Any]], how: int) -> None:
        text = "".join(json.dumps(sample) + "\n" for sample in samples)
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | how, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)


def _tree_usage() -> "tuple[float, int, int]":
    cpu_seconds, memory_bytes, count = 0.0, 0, 0
    for process in descendants().processes:
        with contextlib.suppress(OSError, IndexError):
            with open("/proc/%d/stat" % process, "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            # Source: proc(5): utime, stime, cutime, cstime in ticks, then rss in pages
            cpu_seconds += sum(int(field) for field in fields[11:15]) / _TICKS
            memory_bytes += int(fields[21]) * _PAGE_BYTES
            count += 1
    return cpu_seconds, memory_bytes, count


def _disk_bytes(folder: str) -> "int | None":
    total_bytes, counted, folders = 0, 0, [folder]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                counted += 1
                if counted > MAX_FILES_COUNTED:
                    return None
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total_bytes += entry.stat(follow_symlinks=False).st_blocks * 512
    return total_bytes
