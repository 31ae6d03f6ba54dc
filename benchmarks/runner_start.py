"""What a trivial job costs from launch to end, without any service, beside the bare interpreter.

Through a launcher of its own: jobs one after another (wall time and CPU each), then as many at once
as there are cores (jobs a second). CPU is of the launcher, its runners and the commands, in clock
ticks of the kernel over all jobs. The ratio is what can be compared between machines.

On ext4, making files is several times slower for a minute after many were deleted, as this does at
its end: wait between runs. With TMPDIR=/dev/shm the figures are those of the runner without a disk.

    python benchmarks/runner_start.py [--runs 300] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
WARM_UP = 20


class Launcher:
    """A launcher and the attempts it is given, on files of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0
        command = [sys.executable, "-m", "kotta_runner.launcher"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
        )

    def hand_over(self) -> None:
        self._count += 1
        job = f"job{self._count}"
        launch = {
            "job_id": job,
            "attempt": 1,
            "directory": str(self._root / "jobs" / f"{job}.1"),
            "command": "true",
            "script": None,
            "inputs": [],
            "outputs": ["STDOUT.txt", "STDERR.txt"],
            "stdout": "STDOUT.txt",
            "stderr": "STDERR.txt",
            "environment": {"PATH": "/usr/bin:/bin"},
            "walltime_seconds": 300.0,
            "grace_seconds": 30.0,
            "stage_out": {"directory": str(self._root / "outputs" / f"{job}.1")},
            "service": None,
        }
        text = json.dumps({"launch": launch}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack(">I", len(text)) + text)
        self._process.stdin.flush()

    def wait_for_one(self) -> None:
        """Returns when the next attempt has ended."""
        assert self._process.stdout is not None
        message: dict[str, Any] = {}
        while "ended" not in message:
            size = struct.unpack(">I", self._process.stdout.read(4))[0]
            message = json.loads(self._process.stdout.read(size))
            assert "failed" not in message, message

    def cpu_seconds(self) -> float:
        """Of the launcher and its runners, with all children they have taken leave of."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        processes = [str(self._process.pid), *children.read_text().split()]
        ticks = 0
        for process in processes:
            # Source: proc(5): utime, stime, cutime, cstime
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / TICKS

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def launcher() -> Iterator[Launcher]:
    root = Path(tempfile.mkdtemp(prefix="kr-"))
    some = Launcher(root)
    try:
        for _ in range(WARM_UP):
            some.hand_over()
            some.wait_for_one()
        yield some
    finally:
        some.close()
        shutil.rmtree(root, ignore_errors=True)


def one_after_another(some: Launcher, runs: int) -> tuple[list[float], float]:
    """The wall time of each job, and the CPU time of one, in seconds."""
    before = some.cpu_seconds()
    walls = []
    for _ in range(runs):
        began = time.perf_counter()
        some.hand_over()
        some.wait_for_one()
        walls.append(time.perf_counter() - began)
    return walls, (some.cpu_seconds() - before) / runs


def at_once(some: Launcher, runs: int, slots: int) -> float:
    """Jobs a second when every slot has one at work."""
    began = time.perf_counter()
    for _ in range(slots):
        some.hand_over()
    for done in range(runs):
        some.wait_for_one()
        if done + slots < runs:
            some.hand_over()
    return runs / (time.perf_counter() - began)


def bare_interpreter(runs: int) -> list[float]:
    walls = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        walls.append(time.perf_counter() - began)
    return walls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    slots = os.cpu_count() or 1
    with launcher() as some:
        walls, cpu = one_after_another(some, options.runs)
        rate = at_once(some, options.runs, slots)
    bare = bare_interpreter(max(10, options.runs // 10))
    figures = {
        "wall_ms_median": round(statistics.median(walls) * 1000, 2),
        "wall_ms_p90": round(statistics.quantiles(walls, n=10)[-1] * 1000, 2),
        "cpu_ms": round(cpu * 1000, 2),
        "jobs_per_second": round(rate),
        "slots": slots,
        "bare_ms_median": round(statistics.median(bare) * 1000, 2),
        "bare_ms_p90": round(statistics.quantiles(bare, n=10)[-1] * 1000, 2),
        "ratio": round(statistics.median(walls) / statistics.median(bare), 2),
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(
        f"a trivial job    {figures['wall_ms_median']:8} ms median {figures['wall_ms_p90']:8} p90"
    )
    print(f"  of CPU time    {figures['cpu_ms']:8} ms")
    print(
        f"python -c pass   {figures['bare_ms_median']:8} ms median {figures['bare_ms_p90']:8} p90"
    )
    print(f"ratio            {figures['ratio']:8}")
    print(f"{slots} at once        {figures['jobs_per_second']:8} jobs/s")


if __name__ == "__main__":
    main()
