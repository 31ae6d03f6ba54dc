"""Several processes of the service on one PostgreSQL and one data directory."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from postgres_server import PostgresServer
from shared_service import SharedService
from waiting import wait_until

QUEUES = """
grace_seconds = 1
[queues.Test]
cpus = 4
memory_mib = 4096
[queues.Full]
cpus = 1
memory_mib = 100
"""
NewProcess = Callable[..., SharedService]


@pytest.fixture
def new_process(postgres: PostgresServer) -> Iterator[NewProcess]:
    """Starts one more process on the same database and data directory."""
    database = postgres.new_database()
    processes: list[SharedService] = []
    with contextlib.ExitStack() as folders:

        def new(**environment: str) -> SharedService:
            home = folders.enter_context(tempfile.TemporaryDirectory(prefix="kotta-"))
            process = SharedService(
                Path(home), QUEUES, KOTTA_SERVICE_DATABASE=database, **environment
            )
            process.data = (processes[0] if processes else process).data
            processes.append(process)
            process.start()
            return process

        yield new
        for process in reversed(processes):
            process.close()


def holder_of(process: SharedService) -> str:
    url = process.environment["KOTTA_SERVICE_DATABASE"]
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT holder FROM leases WHERE name = 'local'").fetchone()
    return row[0] if row else ""


def test_jobs_submitted_to_any_process_run_once(new_process: NewProcess) -> None:
    one, other = new_process(), new_process()
    log = one.home / "ran.log"

    def submit(number: int) -> dict[str, Any]:
        process = (one, other)[number % 2]
        description = {"executable": f"echo {number} >> {log}"}
        return process.submit(description, key=f"key-{number}")[0]

    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(submit, range(40)))
        # the same again, to the other process: it is known there
        again = (other if number % 2 == 0 else one for number in range(40))
        repeated = [
            process.submit({"executable": f"echo {number} >> {log}"}, key=f"key-{number}")[0]
            for number, process in enumerate(again)
        ]
    assert [job["id"] for job in repeated] == [job["id"] for job in jobs]
    assert {job["status"] for job in other.wait(*jobs)} == {"completed"}
    assert Counter(log.read_text().split()) == Counter(map(str, range(40)))


@pytest.mark.slow
def test_another_process_takes_over_from_one_that_is_killed(new_process: NewProcess) -> None:
    one, other = new_process(), new_process()
    log = one.home / "ran.log"
    first = holder_of(one)
    # two run when it is killed, the others wait
    jobs = one.submit(*({"executable": f"sleep 1; echo {n} >> {log}", "cpus": 2} for n in range(5)))
    wait_until(lambda: one.status(jobs[1])["status"] == "processing")
    one.kill()
    killed_at = time.monotonic()
    jobs += other.submit({"executable": f"echo 5 >> {log}"})
    wait_until(lambda: holder_of(other) not in ("", first), timeout=10)
    assert time.monotonic() - killed_at < 10
    assert {job["status"] for job in other.wait(*jobs)} == {"completed"}
    assert Counter(log.read_text().split()) == Counter("012345")


def test_a_process_that_leaves_hands_over_at_once(new_process: NewProcess) -> None:
    one, other = new_process(), new_process()
    first = holder_of(one)
    assert one.stop() == 0
    # the lease would have lasted longer
    wait_until(lambda: holder_of(other) not in ("", first), timeout=4)
    assert other.run(executable="true")["status"] == "completed"


def test_a_running_job_is_cancelled_through_any_process(new_process: NewProcess) -> None:
    _, other = new_process(), new_process()
    job = other.submit({"executable": "sleep 60"})[0]
    other.until_status(job, "processing")
    assert other.http.post(f"/jobs/{job['id']}/cancel").status_code == 200
    assert other.wait(job)[0]["status"] == "cancelled"


def test_a_process_that_may_not_dispatch_starts_nothing_and_serves_the_rest(
    new_process: NewProcess,
) -> None:
    serving = new_process(KOTTA_SERVICE_DISPATCH="false")
    job = serving.submit({"executable": "echo done"})[0]
    ready = httpx.get(f"{serving.url}/readyz", trust_env=False)
    assert ready.status_code == 200, ready.text
    assert holder_of(serving) == ""
    assert serving.status(job)["status"] == "pending"
    new_process()
    ended = serving.wait(job)[0]
    assert (ended["status"], serving.output(ended, "STDOUT.txt")) == ("completed", "done\n")


@pytest.mark.slow
def test_a_reader_sees_every_change_in_order_while_many_write_through_two_processes(
    new_process: NewProcess,
) -> None:
    """Each job of a full queue makes one change, so that the feed must tell of every number."""
    one, other = new_process(), new_process()
    blocker = one.submit({"executable": "sleep 60", "queue": "Full"})[0]
    one.until_status(blocker, "processing")
    begin = one.http.get("/changes").json()["last"]
    count, writers = 25, 8

    def write(writer: int) -> None:
        process = (one, other)[writer % 2]
        for _ in range(count):
            process.submit({"executable": "true", "queue": "Full"})

    seen: list[int] = []

    def read() -> None:
        after, deadline = begin, time.monotonic() + 60
        while len(seen) < count * writers and time.monotonic() < deadline:
            page = other.http.get("/changes", params={"after": after, "wait": 5}).json()
            seen.extend(change["number"] for change in page["changes"])
            after = page["last"]

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    reader.join()
    assert seen == list(range(begin + 1, begin + 1 + count * writers))


def test_a_second_process_needs_a_socket_of_its_own(new_process: NewProcess) -> None:
    one = new_process()
    command_of_other = SharedService(one.home, QUEUES, **one.environment)
    with pytest.raises(AssertionError, match="another service listens at"):
        command_of_other.start()
    command_of_other.http.close()
    assert one.http.get("/service").status_code == 200
