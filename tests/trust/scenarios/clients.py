"""Many clients at once, and a database of an older release."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic import command
from alembic.config import Config

from kotta.models import JobDescription
from kotta_service.store import migration
from kotta_service.store.backends import backend_of
from trust.harness import Figures, Trial, judge, running, scenario

CLIENTS = 8
LIVE_JOBS = 100


@scenario("200 jobs", short=40, full=200)
def clients_submit_the_same_keys_at_once(trial: Trial, count: int) -> Figures:
    """Eight clients submit under the same keys, each in an order of its own."""
    service = trial.service()
    begun = threading.Barrier(CLIENTS)
    orders = [trial.chance.sample(range(count), count) for _ in range(CLIENTS)]
    told: list[dict[int, str]] = [{} for _ in range(CLIENTS)]

    def submit(client: int) -> None:
        begun.wait()
        for number in orders[client]:
            found = service.submit_surely(trial, f"key-{number}", trial.command())
            told[client][number] = found

    with running(service), ThreadPoolExecutor(CLIENTS) as pool:
        began = time.monotonic()
        for each in [pool.submit(submit, client) for client in range(CLIENTS)]:
            each.result(300)
        took = time.monotonic() - began
        assert all(each == told[0] for each in told), "two clients were told of different jobs"
        jobs = service.settle(120)
        assert len(jobs) == count
        judge(trial, service)
    return {"submissions": CLIENTS * count, "jobs": len(jobs), "submissions a second":
            CLIENTS * count / took}  # fmt: skip


@scenario("0 lost", short=1, full=5)
def database_of_the_oldest_schema_upgraded(trial: Trial, count: int) -> Figures:
    """A service finds a hundred live jobs in the first release's tables: waiting, placed, done."""
    upgrades = []
    for number in range(count):
        home = trial.home / f"s{number}"
        service = trial.service(home)
        _first_tables(service.data)
        _live_jobs(trial, service.data, f"{number}-")
        with running(service):
            upgrades.append(service.ready_seconds)
            jobs = service.settle(120)
            assert len(jobs) == LIVE_JOBS
            assert {job["status"] for job in jobs} == {"completed"}, jobs
            judge(trial, service)
        trial.accepted.clear()
    return {"live jobs": count * LIVE_JOBS, "upgraded and ready, worst s": max(upgrades)}


def _first_tables(data: Path) -> None:
    data.mkdir(mode=0o700)
    backend = backend_of(data / "kotta.db")
    config = Config()
    folder = Path(migration.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    with backend.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    backend.close()


def _live_jobs(trial: Trial, data: Path, prefix: str) -> None:
    """Half of them wait; the others were handed to a runner that never came to be."""
    with sqlite3.connect(data / "kotta.db") as connection:
        for number in range(1, LIVE_JOBS + 1):
            is_placed = number <= LIVE_JOBS // 2
            job, key = str(uuid.UUID(int=trial.chance.getrandbits(128))), f"{prefix}{number}"
            trial.accepted[key] = job
            described = JobDescription.model_validate({**trial.command(), "jobname": key})
            row = {
                "number": number, "id": job, "owner": "local", "name": key, "queue": "Test",
                "status": "staging_inputs" if is_placed else "pending", "jobtype": "script",
                "cpus": 1, "memory_mib": 1, "walltime_seconds": 300.0, "retries": 0,
                "attempt": int(is_placed), "waits_for": 0, "is_needed": 0,
                "change": 2 * number if is_placed else 2 * number - 1, "submitted_at": time.time(),
                "error": "", "tags": "[]", "description": json.dumps(described.model_dump()),
            }  # fmt: skip
            _insert(connection, "jobs", row)
            step = {"job_number": number, "at": time.time()}
            pending = {**step, "change": 2 * number - 1, "status": "pending", "attempt": 0}
            _insert(connection, "transitions", pending)
            if is_placed:
                placed = {**step, "change": 2 * number, "status": "staging_inputs", "attempt": 1}
                _insert(connection, "transitions", placed)
        connection.execute("UPDATE counters SET value = ? WHERE name = 'job'", (LIVE_JOBS,))
        connection.execute("UPDATE counters SET value = ? WHERE name = 'change'", (2 * LIVE_JOBS,))
    connection.close()


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    names, signs = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({signs})", tuple(row.values()))
