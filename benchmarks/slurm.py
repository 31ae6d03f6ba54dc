"""Kotta before a real Slurm, beside the same Slurm without it.

    python benchmarks/slurm.py [--jobs 200] [--pending 10000] [--pairs 3]

Needs root and an installed Slurm, which it starts for itself. Two measures:

* the time from `kotta submit` to completed of many short scripts, over that of the same scripts by
  `sbatch`, in turns on the same cluster;
* what asking for many pending jobs costs: the time of a core, in a minute, of the service and of
  the commands that it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psutil
from running_service import RunningService
from slurm_cluster import SlurmCluster, slurm_cluster
from waiting import wait_until

SCRIPT = "#!/bin/sh\necho done\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=3)
    wanted = parser.parse_args()
    with slurm_cluster() as cluster, tempfile.TemporaryDirectory() as name:
        service = started(cluster, Path(name), wanted.pending)
        try:
            if wanted.jobs:
                compare(cluster, service, wanted.jobs, wanted.pairs)
            if wanted.pending:
                ask_for_pending(cluster, service, wanted.pending)
        finally:
            # what still waits need not be ended one by one: the cluster goes away with it
            service.stop()
            service.http.close()


def started(cluster: SlurmCluster, home: Path, max_pending: int) -> RunningService:
    """A service as it is by default, but for the size of Slurm's queue."""
    file = home / "service.toml"
    values = {"poll_seconds": 2, "absent_seconds": 30, "alive_seconds": 5}
    file.write_text(cluster.settings(**values, max_pending=max(max_pending, 1000)))
    service = RunningService(home, KOTTA_SERVICE_SETTINGS=str(file))
    service.start()
    return service


def compare(cluster: SlurmCluster, service: RunningService, count: int, pairs: int) -> None:
    ways: dict[str, Callable[[], float]] = {
        "sbatch, one after another": lambda: run_by_sbatch(cluster, count, 1),
        "sbatch, eight at a time": lambda: run_by_sbatch(cluster, count, 8),
        "kotta submit": lambda: run_by_kotta(service, count),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(pairs):
        for name, run in ways.items():
            found[name].append(run())
    print(f"{count} short scripts, medians of {pairs} rounds:")
    for name, seconds in found.items():
        ratios = [one / own for one, own in zip(found["kotta submit"], seconds, strict=True)]
        print(f"  {name:<26} {statistics.median(seconds):8.2f} s"
              f"   kotta takes {statistics.median(ratios):.2f} x")  # fmt: skip


def run_by_sbatch(cluster: SlurmCluster, count: int, at_once: int) -> float:
    """Seconds until the last of so many has ended.

    Slurm starts a job when it is submitted, where a core is free then; what waits, once a second.
    So who submits slower than jobs end, has them all started at once, and who submits faster not.
    """
    environment = {**os.environ, **cluster.environment}

    def submit(_: int) -> None:
        subprocess.run(
            ["sbatch", "--quiet", "--job-name=bench", "--output=/dev/null", "--partition=Prod",
             "--mem=1024M", "--chdir=/"],
            input=SCRIPT, text=True, env=environment, check=True,
        )  # fmt: skip

    started_at = time.monotonic()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(submit, range(count)))
    while cluster.ask("squeue", "--noheader", "--name=bench").strip():
        time.sleep(0.1)
    return time.monotonic() - started_at


def run_by_kotta(service: RunningService, count: int) -> float:
    """Seconds until the last of so many has completed, submitted by the command and waited for."""
    job = {"script": SCRIPT, "script_name": "job.sh", "array": list(range(count)),
           "executable": "./job.sh"}  # fmt: skip
    home = {**os.environ, "HOME": str(service.home), "KOTTA_SERVER": f"unix:{service.socket}"}
    started_at = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "kotta_cli", "submit", "--wait", "-"],
        input=json.dumps(job), text=True, env=home, check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.monotonic() - started_at


def ask_for_pending(cluster: SlurmCluster, service: RunningService, count: int) -> None:
    idle = core_seconds_a_minute(service, 30)
    cores = {"executable": "sleep 3600", "cpus": 4}
    service.submit(*[cores] * 3)
    for start in range(0, count, 5000):
        service.submit(*[{"executable": "true"}] * min(5000, count - start))

    def waiting() -> int:
        return len(cluster.ask("squeue", "-h", "-t", "PENDING", "-o", "%i").splitlines())

    wait_until(lambda: waiting() >= count, timeout=1800, what=waiting)
    time.sleep(10)  # what follows the handover
    used = core_seconds_a_minute(service, 120)
    print(f"{count} pending jobs: {used:.2f} s of a core a minute, squeue and the service together")
    print(f"  the same service without jobs takes {idle:.2f} s")
    query = time.monotonic()
    cluster.ask("squeue", "-h", "-a", "-o", "%j|%T|%i|%S|%r")
    print(f"  one squeue takes {time.monotonic() - query:.2f} s")
    cluster.ask("scancel", "--user=root")


def core_seconds_a_minute(service: RunningService, seconds: float) -> float:
    """Measured over so many seconds."""
    before, began = core_seconds(service), time.monotonic()
    time.sleep(seconds)
    return (core_seconds(service) - before) * 60 / (time.monotonic() - began)


def core_seconds(service: RunningService) -> float:
    """What the service's process and the commands that it has run have used."""
    assert service.process is not None
    used: Any = psutil.Process(service.process.pid).cpu_times()
    return float(used.user + used.system + used.children_user + used.children_system)


if __name__ == "__main__":
    main()
