"""Jobs in the blocks of a real Parsl on this machine, and what becomes of them when parts die."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from running_service import RunningService
from service.test_functions import add, call, value_of
from slurm_cluster import SlurmCluster
from waiting import wait_until

pytestmark = pytest.mark.timeout(400)
START_SECONDS = 180
"""Parsl imports much, in five processes: a machine that is busy takes its time."""
SETTINGS = """
grace_seconds = 1
[queues.Test]
executor = "parsl"
[queues.Test.parsl]
workers_per_node = {workers}
idle_seconds = {idle_seconds}
heartbeat_seconds = {heartbeat_seconds}
[queues.Broken]
executor = "parsl"
[queues.Broken.parsl]
options = {{worker_init = "exit 3"}}
[parsl]
alive_seconds = 0.5
"""

AT_SLURM = """
grace_seconds = 1
[queues.Test]
executor = "parsl"
[queues.Test.parsl]
provider = "slurm"
options = {partition = "Test", walltime = "00:10:00", exclusive = false, cores_per_node = 1}
address = "127.0.0.1"
[parsl]
alive_seconds = 0.5
"""


def service_of(home: Path, **settings: float) -> RunningService:
    file = home / "service.toml"
    given = {"workers": 1, "idle_seconds": 600, "heartbeat_seconds": 30, **settings}
    file.write_text(SETTINGS.format(**given))
    return RunningService(home, KOTTA_SERVICE_SETTINGS=str(file))


@pytest.fixture(scope="module")
def shared_service() -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        service = service_of(Path(name), workers=2)
        service.start()
        yield service
        service.close()
        until_gone(service)


@pytest.fixture
def service(shared_service: RunningService) -> Iterator[RunningService]:
    yield shared_service
    shared_service.cancel_all()


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        yield Path(name)


def below(service: RunningService, *words: str) -> list[psutil.Process]:
    """Processes of this service's Parsl: their command lines or environments name its folder."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            told = line + process.environ().get("PYTHONPATH", "")
        except (psutil.Error, OSError):
            continue
        if str(service.data) in told and all(word in line for word in words):
            found.append(process)
    return found


def until_gone(service: RunningService) -> None:
    """Until no block has anything running that might write to a folder that is to be removed."""
    wait_until(lambda: not below(service), timeout=60, what=lambda: below(service))


def tagged(job: dict[str, Any]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KOTTA_JOB_ID") == job["id"]:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def directory(service: RunningService, job: dict[str, Any], attempt: int = 1) -> Path:
    return service.data / "parsl" / "jobs" / job["id"][:2] / f"{job['id']}.{attempt}"


def outcome(job: dict[str, Any]) -> tuple[str, str]:
    return job["status"], job["reason"]


def processing(service: RunningService, job: dict[str, Any], attempt: int = 1) -> None:
    def is_so() -> bool:
        now = service.status(job)
        return now["status"] == "processing" and now["attempt"] == attempt

    wait_until(is_so, timeout=START_SECONDS, what=lambda: (service.status(job), service.log()))


def test_jobs_and_calls_end_as_everywhere(service: RunningService) -> None:
    made = service.run(
        START_SECONDS, executable="echo said; echo made > a.txt; exit 3", outputs="a.txt"
    )
    assert (outcome(made), made["exit_code"]) == (("failed", "exit"), 3)
    assert service.output(made, "a.txt") == "made\n"
    assert "said" in service.output(made, "STDOUT.txt")
    called = service.run(START_SECONDS, **call(add, 1, 2))
    assert (outcome(called), value_of(called)) == (("completed", "exit"), 3)
    over = service.run(START_SECONDS, executable="sleep 300", walltime=0.01)
    assert outcome(over) == ("failed", "walltime")


def test_many_calls_each_have_their_own_value(service: RunningService) -> None:
    jobs = service.submit(*(call(add, number, 1) for number in range(40)))
    ended = service.wait(*jobs, seconds=START_SECONDS)
    assert [value_of(job) for job in ended] == [number + 1 for number in range(40)]


def test_what_runs_is_cancelled_whole_and_keeps_what_it_made(service: RunningService) -> None:
    command = "echo made > a.txt; trap '' TERM; sleep 300 & sleep 300"
    job = service.submit({"executable": command, "outputs": "a.txt"})[0]
    processing(service, job)
    wait_until((directory(service, job) / "work" / "a.txt").exists, timeout=20)
    service.http.post(f"/jobs/{job['id']}/cancel")
    assert outcome(service.wait(job, seconds=60)[0]) == ("cancelled", "user")
    assert service.output(job, "a.txt") == "made\n"
    assert not tagged(job)


def test_what_waits_is_cancelled_at_once_and_never_starts(service: RunningService) -> None:
    busy = service.submit(*({"executable": "sleep 300"} for _ in range(2)))
    for job in busy:
        processing(service, job)
    waiting = service.submit({"executable": "touch here"})[0]
    why = service.http.get(f"/jobs/{waiting['id']}/place").json()["cluster"]
    assert why["name"] == "parsl"
    service.http.post(f"/jobs/{waiting['id']}/cancel")
    assert outcome(service.wait(waiting)[0]) == ("cancelled", "user")
    for job in busy:
        service.http.post(f"/jobs/{job['id']}/cancel")
    service.wait(*busy, seconds=60)
    assert outcome(service.run(START_SECONDS, executable="true")) == ("completed", "exit")
    assert not (directory(service, waiting) / "started").exists()


def test_a_killed_runner_is_lost_with_what_it_ran(service: RunningService) -> None:
    job = service.submit({"executable": "sleep 300"})[0]
    processing(service, job)
    runner = int((directory(service, job) / "claim").read_text().split()[1])
    os.kill(runner, signal.SIGKILL)
    ended = service.wait(job, seconds=60)[0]
    assert outcome(ended) == ("failed", "lost")
    assert not tagged(job)
    assert outcome(service.run(START_SECONDS, executable="true")) == ("completed", "exit")


def test_more_than_a_worker_has_is_refused(service: RunningService) -> None:
    answer = service.http.post("/jobs", json={"jobs": [{"executable": "true", "cpus": 2}]})
    assert answer.status_code == 422
    assert "a worker of queue `Test` has 1 core" in answer.text


def test_blocks_that_cannot_be_had_are_told_of(service: RunningService) -> None:
    job = service.submit({"executable": "true", "queue": "Broken"})[0]

    def words() -> Any:
        cluster = service.http.get(f"/jobs/{job['id']}/place").json()["cluster"]
        return cluster is not None and cluster["words"]

    wait_until(lambda: "no block of nodes" in (words() or ""), timeout=START_SECONDS, what=words)
    assert service.status(job)["status"] == "pending"


@pytest.mark.slow
def test_what_ran_is_tried_again_after_its_service_or_its_block_was_killed(home: Path) -> None:
    service = service_of(home, idle_seconds=1, heartbeat_seconds=15)
    service.start()
    job = service.submit({"executable": "echo $KOTTA_ATTEMPT; sleep 300", "retries": 2})[0]
    processing(service, job)
    waiting = service.submit({"executable": "echo $KOTTA_ATTEMPT"})[0]
    old = below(service)
    service.kill()
    service.start()
    processing(service, job, attempt=2)
    assert (directory(service, job, 1) / "started").exists()
    wait_until(lambda: not any(process.is_running() for process in old), timeout=120)

    # a block of its own has the process group of its workers
    for group in {os.getpgid(pool.pid) for pool in below(service, "process_worker_pool")}:
        os.killpg(group, signal.SIGKILL)
    processing(service, job, attempt=3)
    service.http.post(f"/jobs/{job['id']}/cancel")
    ended = service.wait(job, waiting, seconds=START_SECONDS)
    assert outcome(ended[0]) == ("cancelled", "user")
    assert service.output(job, "STDOUT.txt") == "3\n"
    # nothing of it had begun: it was not lost, only handed over again
    assert (outcome(ended[1]), ended[1]["attempt"]) == (("completed", "exit"), 1)

    pools = partial(below, service, "process_worker_pool")
    wait_until(lambda: not pools(), timeout=60, what=pools)
    service.close()
    until_gone(service)


@pytest.mark.slow
def test_a_block_at_slurm_runs_jobs_and_loses_them_with_its_job(
    slurm: SlurmCluster, home: Path
) -> None:
    file = home / "service.toml"
    file.write_text(AT_SLURM)
    service = RunningService(home, KOTTA_SERVICE_SETTINGS=str(file), **slurm.environment)
    service.start()
    called = service.run(START_SECONDS, **call(add, 1, 2))
    assert (outcome(called), value_of(called)) == (("completed", "exit"), 3)
    job = service.submit({"executable": "echo begun; sleep 300"})[0]
    processing(service, job)
    blocks = [number for name, *_, number in slurm.jobs() if name.startswith("parsl.Test.block")]
    slurm.ask("scancel", *blocks)
    ended = service.wait(job, seconds=60)[0]
    assert outcome(ended) == ("failed", "lost")
    assert service.output(ended, "STDOUT.txt") == "begun\n"
    service.close()
    until_gone(service)
    wait_until(lambda: not slurm.ask("squeue", "-h", "-a").strip(), timeout=60, what=slurm.jobs)
