"""Seconds of a processor that a trivial job takes in each process, beside the bare interpreter.

    python benchmarks/cpu_of_jobs.py [--jobs 200] [--json]

Four ways to run jobs that do nothing, each by a new home's warm local service: `true` submitted and
waited for one after another; all of them in one request; a function called one after another; and
its `map`. Times are user and system, of the service, of its launcher with all runners and commands,
and of this client: where others are at work, they say more than how long it took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
from homes import own_home

PARTS = ("service", "runners", "client")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with own_home():
        figures = measured(options.jobs)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<58} {figure:>10.2f}")


def nothing(*_: Any) -> None:
    """What is called."""


def measured(count: int) -> dict[str, float]:
    from kotta import Kotta, kottajob

    true = {"executable": "true"}
    with Kotta() as konn:
        call = kottajob(konn, "Test", 5)(nothing)
        ways: dict[str, Callable[[], Any]] = {
            "`true`, one after another": lambda: [
                konn.wait(konn.submit(true)) for _ in range(count)
            ],
            f"`true`, {count} in one request": lambda: konn.wait(konn.submit_many([true] * count)),
            "a call, one after another": lambda: [call() for _ in range(count)],
            f"a map of {count}": lambda: list(call.map(range(count))),
        }
        for _ in range(5):
            konn.wait(konn.submit(true))
            call()
        pid = konn.service().pid
        figures = {"python -c pass, CPU ms": bare_ms()}
        for name, way in ways.items():
            before, began = used(pid), time.perf_counter()
            way()
            took = time.perf_counter() - began
            time.sleep(0.2)  # what follows a job's end belongs to it
            each = {part: (after - before[part]) / count * 1e3 for part, after in used(pid).items()}
            figures.update({f"{name}: {part}, CPU ms a job": each[part] for part in PARTS})
            figures[f"{name}: together, CPU ms a job"] = sum(each.values())
            figures[f"{name}: jobs/s"] = count / took
    return figures


def used(service: int) -> dict[str, float]:
    """Seconds of a processor so far; of what has ended, those that its parent has waited for."""
    process = psutil.Process(service)
    times = process.cpu_times()
    below = 0.0
    for child in process.children(recursive=True):
        spent = child.cpu_times()
        below += spent.user + spent.system + spent.children_user + spent.children_system
    own = os.times()
    return {
        "service": times.user + times.system,
        "runners": below,
        "client": own.user + own.system,
    }


def bare_ms() -> float:
    before = os.times()
    for _ in range(20):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = os.times()
    spent = after.children_user + after.children_system
    return (spent - before.children_user - before.children_system) / 20 * 1e3


if __name__ == "__main__":
    main()
