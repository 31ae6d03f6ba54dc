"""What a function call costs, beside Dask and Parsl where those are installed, in the same run.

    pip install distributed parsl numpy    # what it is compared with; left out where it is missing
    python benchmarks/functions.py [--json]

Prints, on a warm service or cluster of one machine's two workers: the time from submitting a call
that does nothing to having its value; calls a second of a map of 200; a numpy array of 100 MB sent
and returned, beside writing and reading such a file twice; and where the milliseconds of a call go,
by the job's own timeline. Dask and Parsl do not write to disk what they are given; Kotta does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from homes import own_home

ONE_BY_ONE = 60
AT_ONCE = 200
MAP_RUNS = 3
LARGE_BYTES = 100_000_000
LARGE_RUNS = 3
WORKERS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with own_home() as home:
        figures = {"python -c pass, ms": bare_ms()}
        for name, measure in (("kotta", kotta), ("dask", dask), ("parsl", parsl)):
            try:
                found = measure(home)
            except ModuleNotFoundError as error:
                print(f"{name}: left out, {error.name} is not installed", file=sys.stderr)
            else:
                figures.update({f"{name}: {what}": value for what, value in found.items()})
        figures["100 MB written and read twice, ms"] = disk_ms(home)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<58} {figure:>10.1f}")


def nothing(*_: Any) -> None:
    """What is called."""


def same(value: Any) -> Any:
    """Sends back what it was sent."""
    return value


def kotta(_: Path) -> dict[str, float]:
    from kotta import Kotta, kottajob

    with Kotta() as konn:
        call = kottajob(konn, "Test", 5)(nothing)
        figures = figures_of(
            lambda: call(), lambda: list(call.map(range(AT_ONCE))), kottajob(konn, "Test", 5)(same)
        )
        return {**figures, **spent(call)}


def spent(call: Any) -> dict[str, float]:
    """Where a call's milliseconds go, medians, by its job's timeline."""
    phases: dict[str, list[float]] = {}
    for _ in range(ONE_BY_ONE):
        called = time.time()
        job = call.submit()
        submitted = time.time()
        job.result()
        returned = time.time()
        detail = job.detail()
        at = {step.status.value: step.at.timestamp() for step in detail.timeline}
        processed_ms = (detail.processing_seconds or 0) * 1e3
        for phase, found in (
            ("pickling, sending, until it is on disk", (submitted - called) * 1e3),
            ("the call in its own process", processed_ms),
            ("from its acceptance to its end", (at["completed"] - at["pending"]) * 1e3),
            ("from its end to having the value", (returned - at["completed"]) * 1e3),
        ):
            phases.setdefault(phase, []).append(found)
    return {f"  {phase}, median ms": statistics.median(all_) for phase, all_ in phases.items()}


def dask(home: Path) -> dict[str, float]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=str(home / "dask"),
        ) as cluster,
        Client(cluster) as client,
    ):
        return figures_of(
            lambda: client.submit(nothing, pure=False).result(),
            lambda: client.gather(client.map(nothing, range(AT_ONCE), pure=False)),
            lambda value: client.submit(same, value, pure=False).result(),
        )


def parsl(home: Path) -> dict[str, float]:
    from parsl import Config, HighThroughputExecutor, load, python_app
    from parsl.providers import LocalProvider

    executor = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        max_workers_per_node=WORKERS,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    config = Config(executors=[executor], run_dir=str(home / "parsl"), usage_tracking=0)
    # it starts its parts by their names, and they import this script's functions by reference
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    with load(config):
        call, large = python_app(nothing), python_app(same)
        return figures_of(
            lambda: call().result(),
            lambda: [future.result() for future in [call(i) for i in range(AT_ONCE)]],
            lambda value: large(value).result(),
        )


def figures_of(
    once: Callable[[], Any], all_at_once: Callable[[], Any], send: Callable[[Any], Any]
) -> dict[str, float]:
    import numpy

    for _ in range(5):
        once()
    each = [timed_ms(once) for _ in range(ONE_BY_ONE)]
    rates = [AT_ONCE / timed_ms(all_at_once) * 1e3 for _ in range(MAP_RUNS)]
    large = []
    for _ in range(LARGE_RUNS):
        # other bytes every time: what is known already is not sent again
        value = numpy.frombuffer(os.urandom(LARGE_BYTES), dtype=numpy.uint8)
        started = time.perf_counter()
        returned = send(value)
        large.append((time.perf_counter() - started) * 1e3)
        assert (returned == value).all(), "other bytes came back"
    return {
        "a call that does nothing, median ms": statistics.median(each),
        "a call that does nothing, 90th percentile ms": statistics.quantiles(each, n=10)[-1],
        f"a map of {AT_ONCE}, calls/s (median of {MAP_RUNS})": statistics.median(rates),
        "100 MB of numpy there and back, median ms": statistics.median(large),
    }


def disk_ms(home: Path) -> float:
    """Writing (synced) and reading a file of that size, twice."""
    content, path = os.urandom(LARGE_BYTES), home / "file"

    def twice() -> None:
        for _ in range(2):
            with path.open("wb") as file:
                file.write(content)
                os.fsync(file.fileno())
            assert path.read_bytes() == content
            path.unlink()

    return statistics.median(timed_ms(twice) for _ in range(LARGE_RUNS))


def bare_ms() -> float:
    command = [sys.executable, "-c", "pass"]
    return statistics.median(
        timed_ms(lambda: subprocess.run(command, check=True)) for _ in range(20)
    )


def timed_ms(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
