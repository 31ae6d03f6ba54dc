"""What a call costs in blocks that Parsl holds, beside calls on this machine in the same run.

    python benchmarks/parsl_calls.py [--calls 1000] [--workers 2] [--slurm SLURM_CONF] [--json]

Starts a service with two queues, one of them Parsl's, with one block: on this machine, or at the
Slurm whose `slurm.conf` is given. Prints, for each: the first call, which waits for a block; the
median of calls that do nothing, one after another; and the calls a second of as many as `--calls`
at once, by Kotta's own library, from submitting to having all values, with the processor's time of
all that takes part.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ONE_BY_ONE = 100
SETTINGS = """
[queues.Test]
cpus = {workers}
memory_mib = 4096
[queues.Fast]
executor = "parsl"
[queues.Fast.parsl]
provider = "{provider}"
options = {options}
workers_per_node = {workers}
min_blocks = 1
"""
AT_SLURM = '{ partition = "Test", walltime = "00:30:00", exclusive = false, cores_per_node = %d }'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slurm", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kotta-bench-") as home:
        _settings(Path(home), options)
        found = measure(options.calls)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, figure in found.items():
        print(f"{name:<58} {figure:>10.1f}")


def measure(calls: int) -> dict[str, float]:
    from kotta import Kotta, kottajob

    konn = Kotta()
    found = {}
    try:
        for name, queue in (("parsl", "Fast"), ("this machine", "Test")):

            @kottajob(konn, queue, 5)
            def nothing(number: int) -> int:
                return number

            began = time.perf_counter()
            nothing(0)
            found[f"{name}: first call, ms"] = (time.perf_counter() - began) * 1000
            times = [_ms(nothing) for _ in range(ONE_BY_ONE)]
            found[f"{name}: median of one after another, ms"] = statistics.median(times)
            used, began = _cpu_seconds(), time.perf_counter()
            assert list(nothing.map(range(calls))) == list(range(calls))
            seconds = time.perf_counter() - began
            found[f"{name}: {calls} at once, calls/s"] = calls / seconds
            found[f"{name}: processor's time of a call, ms"] = (
                (_cpu_seconds() - used) / calls * 1000
            )
    finally:
        os.system(f"{sys.executable} -m kotta_cli service stop >{os.devnull} 2>&1")
    return found


def _ms(nothing: Any) -> float:
    began = time.perf_counter()
    nothing(1)
    return (time.perf_counter() - began) * 1000


def _cpu_seconds() -> float:
    """Time of all processes with this home, and of those that they have waited for."""
    total = 0.0
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == os.environ["HOME"] or process.pid == os.getpid():
                total += sum(process.cpu_times()[:4])
        except (psutil.Error, OSError):
            continue
    return total


def _settings(home: Path, options: Any) -> None:
    provider, given = "local", "{}"
    if options.slurm:
        os.environ["SLURM_CONF"] = str(options.slurm)
        provider, given = "slurm", AT_SLURM % options.workers
    file = home / "service.toml"
    file.write_text(SETTINGS.format(workers=options.workers, provider=provider, options=given))
    (home / "run").mkdir(mode=0o700)
    os.environ.update(
        HOME=str(home),
        XDG_RUNTIME_DIR=str(home / "run"),
        KOTTA_SERVICE_SETTINGS=str(file),
    )
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)


if __name__ == "__main__":
    main()
