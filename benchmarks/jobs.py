"""What the local service does in a second, beside the bare interpreter's start in the same run.

    python benchmarks/jobs.py [--json] [--list-of 100000]

Prints: the first command of somebody whose service has to start; submit-to-completed of `true` one
after another through the library; jobs a second of 500 in one request; memory of the service; and
`kotta list` with 100 and with many jobs in the database (which are written to it directly, between
two runs of the service).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from homes import KOTTA, own_home, stop_service

ONE_BY_ONE = 40
AT_ONCE = 500
LIST_RUNS = 15
START_RUNS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list-of", type=int, default=100_000, metavar="JOBS")
    options = parser.parse_args()
    with own_home():
        figures = {"python -c pass, ms": bare_ms(), **start_figures(), **service_figures()}
        figures.update(list_figures(options.list_of))
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<52} {figure:>10.1f}")


def start_figures() -> dict[str, float]:
    """`kotta list` where it has to start the service first, and where it has not."""
    cold, warm = [], []
    for _ in range(START_RUNS):
        stop_service()
        cold.append(timed_ms(list_once))
        warm.append(timed_ms(list_once))
    return {
        "kotta list that has to start the service, median ms": statistics.median(cold),
        "kotta list with the service running, median ms": statistics.median(warm),
    }


def service_figures() -> dict[str, float]:
    from kotta import Kotta

    with Kotta() as kotta:
        for _ in range(5):
            kotta.wait(kotta.submit({"executable": "true"}))
        each = [timed_ms(lambda: kotta.wait(kotta.submit({"executable": "true"})))
                for _ in range(ONE_BY_ONE)]  # fmt: skip
        rates = []
        for _ in range(3):
            started = time.perf_counter()
            jobs = kotta.wait(kotta.submit_many([{"executable": "true"}] * AT_ONCE))
            rates.append(AT_ONCE / (time.perf_counter() - started))
            assert all(job.status.value == "completed" for job in jobs), "a job was lost"
        memory = Path(f"/proc/{kotta.service().pid}/statm").read_text().split()[1]
    return {
        "submit to completed of `true`, median ms": statistics.median(each),
        "submit to completed of `true`, 90th percentile ms": statistics.quantiles(each, n=10)[-1],
        f"{AT_ONCE} jobs in one request, jobs/s (median of 3)": statistics.median(rates),
        "memory of the service afterwards, MiB": int(memory) * os.sysconf("SC_PAGE_SIZE") / 2**20,
    }


def list_figures(many: int) -> dict[str, float]:
    """`kotta list --limit 50` with 100 jobs, and with many: in turn, each home with its service."""
    fill(100)
    other = Path(os.environ["HOME"], "few")
    shutil.copytree(Path(os.environ["HOME"], ".local"), other / ".local")
    (other / "run").mkdir(mode=0o700)
    few = {**os.environ, "HOME": str(other), "XDG_RUNTIME_DIR": str(other / "run")}
    fill(many)
    environments = {100: few, many: dict(os.environ)}
    took: dict[int, list[float]] = {count: [] for count in environments}
    try:
        for turn in range(LIST_RUNS + 1):
            for count, environment in environments.items():
                milliseconds = timed_ms(partial(list_once, environment))
                if turn:  # the first one has started the service
                    took[count].append(milliseconds)
    finally:
        stop_service(few)
    medians = {count: statistics.median(runs) for count, runs in took.items()}
    return {
        **{f"kotta list of 50 among {count} jobs, median ms": ms for count, ms in medians.items()},
        "the second as a multiple of the first": medians[many] / medians[100],
    }


def list_once(environment: dict[str, str] | None = None) -> None:
    command = [KOTTA, "list", "--limit", "50"]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def fill(count: int) -> None:
    """Makes the database hold `count` ended jobs: copies of its newest under ids of their own."""
    stop_service()
    data = Path(os.environ["HOME"], ".local/share/kotta/kotta.db")
    with sqlite3.connect(data) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        columns = [row[1] for row in database.execute("PRAGMA table_info(jobs)")]
        copied = [name for name in columns if name not in ("number", "id", "change")]
        last, change = database.execute("SELECT max(number), max(change) FROM jobs").fetchone()
        have = database.execute("SELECT count(*) FROM jobs").fetchone()[0]
        if have > count:
            database.execute("DELETE FROM jobs WHERE number <= ?", (last - count,))
        for table in ("transitions", "outputs"):
            database.execute(f"DELETE FROM {table}")
        names = ", ".join(copied)
        database.executemany(
            f"INSERT INTO jobs (number, id, change, {names}) "
            f"SELECT ?, ?, ?, {names} FROM jobs WHERE number = {last}",
            ((last + i, str(uuid.uuid4()), change + i) for i in range(1, max(0, count - have) + 1)),
        )
        database.execute("UPDATE counters SET value = (SELECT max(number) FROM jobs) "
                         "WHERE name = 'job'")  # fmt: skip
        database.execute("UPDATE counters SET value = (SELECT max(change) FROM jobs) "
                         "WHERE name = 'change'")  # fmt: skip
    database.close()


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
