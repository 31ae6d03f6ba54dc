"""What a real Slurm and its administrators do to jobs, and what becomes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from running_service import RunningService
from slurm_cluster import SlurmCluster, slurm_cluster
from waiting import wait_until

from kotta_service.deployment import asked
from kotta_service.settings import load_settings


def service_of(cluster: SlurmCluster, home: Path, **settings: Any) -> RunningService:
    file = home / "service.toml"
    file.write_text(cluster.settings(**settings))
    return RunningService(home, KOTTA_SERVICE_SETTINGS=str(file))


@pytest.fixture(scope="module")
def shared_service(slurm: SlurmCluster) -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        service = service_of(slurm, Path(name))
        service.start()
        yield service
        service.close()
        slurm.until_idle()


@pytest.fixture
def service(shared_service: RunningService) -> Iterator[RunningService]:
    yield shared_service
    shared_service.cancel_all()


@pytest.fixture
def own_cluster() -> Iterator[SlurmCluster]:
    """For a test that kills parts of it."""
    with slurm_cluster() as cluster:
        yield cluster


@pytest.fixture
def own_service(own_cluster: SlurmCluster) -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        service = service_of(own_cluster, Path(name))
        service.start()
        yield service
        service.close()
        own_cluster.until_idle()


def at_slurm(cluster: SlurmCluster, job: dict[str, Any]) -> list[list[str]]:
    """State, node and number of each job that Slurm has or had for one of ours."""
    return [found[1:] for found in cluster.jobs() if job["id"] in found[0]]


def until_at_slurm(cluster: SlurmCluster, job: dict[str, Any]) -> list[str]:
    return wait_until(lambda: at_slurm(cluster, job), timeout=20, what=cluster.jobs)[-1]


def outcome(job: dict[str, Any]) -> tuple[str, str]:
    return job["status"], job["reason"]


def processes_of(job: dict[str, Any]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KOTTA_JOB_ID") == job["id"]:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def fill(cluster: SlurmCluster, service: RunningService) -> list[dict[str, Any]]:
    """Jobs that have all cores of the cluster."""
    jobs = service.submit(*({"executable": "sleep 300", "cpus": 4} for _ in range(3)))
    for job in jobs:
        service.until_status(job, "processing")
    return jobs


def test_a_job_is_pending_until_slurm_starts_it_and_says_why(
    slurm: SlurmCluster, service: RunningService
) -> None:
    fill(slurm, service)
    job = service.submit({"executable": "sleep 300", "cpus": 4})[0]
    native_id = until_at_slurm(slurm, job)[2]

    def told() -> Any:
        cluster = service.http.get(f"/jobs/{job['id']}/place").json()["cluster"]
        return cluster is not None and cluster["reason"] == "Resources" and cluster

    cluster = wait_until(told, timeout=20)
    assert (cluster["name"], cluster["native_id"]) == ("slurm", native_id)
    assert cluster["words"] == "it waits for cores, memory or nodes to be free"
    assert (service.status(job)["status"], service.status(job)["attempt"]) == ("pending", 0)


def test_queues_tell_what_is_free_at_slurm(slurm: SlurmCluster, service: RunningService) -> None:
    def queue() -> Any:
        found = service.http.get("/queues").json()["queues"]
        return next(each for each in found if each["name"] == "Short")

    assert wait_until(lambda: queue()["cpus_used"] == 0 and queue(), timeout=20)["cpus"] == 12
    assert (queue()["executor"], queue()["max_walltime_minutes"]) == ("slurm", 60)
    job = service.submit({"executable": "sleep 300", "cpus": 3})[0]
    service.until_status(job, "processing")
    wait_until(lambda: queue()["cpus_used"] == 3, timeout=20, what=queue)


def test_what_slurm_would_take_and_never_start_is_refused(
    slurm: SlurmCluster, service: RunningService
) -> None:
    wanted = {"executable": "x", "queue": "Short", "walltime": 61, "cpus": 5, "gpus": 3}
    answer = service.http.post("/jobs", json={"jobs": [wanted]})
    assert answer.status_code == 422
    problems = {each["pointer"]: each["detail"] for each in answer.json()["errors"]}
    assert problems == {
        "/jobs/0/walltime": "is 61, but partition `Test` of Slurm has 60 minutes at most",
        "/jobs/0/cpus": "is 5, but partition `Test` of Slurm has 4 cores on a node at most",
        "/jobs/0/gpus": "is 3, but a node of `Test` has 2 GPUs at most",
    }


def test_a_queue_of_this_machine_has_no_gpus(service: RunningService) -> None:
    wanted = {"executable": "x", "queue": "Here", "gpus": 1}
    answer = service.http.post("/jobs", json={"jobs": [wanted]})
    assert answer.json()["errors"][0]["pointer"] == "/jobs/0/gpus"


def test_a_job_gets_its_cores_memory_gpus_and_time_and_is_never_requeued(
    slurm: SlurmCluster, service: RunningService
) -> None:
    wanted = {"executable": "sleep 300", "queue": "Short", "walltime": 55.5, "cpus": 2,
              "memory": 300, "gpus": 1}  # fmt: skip
    job = service.submit(wanted)[0]
    native_id = until_at_slurm(slurm, job)[2]
    shown = slurm.ask("scontrol", "--oneliner", "show", "job", native_id)
    # with the time for staging it would be beyond the partition's, and wait for ever
    for word in ("Partition=Test", "NumCPUs=2", "MinMemoryNode=300M", "TresPerNode=gres:gpu:1",
                 "Requeue=0", "TimeLimit=01:00:00"):  # fmt: skip
        assert word in shown.split()


def test_a_job_is_told_what_slurm_gave_it(slurm: SlurmCluster, service: RunningService) -> None:
    job = service.run(executable="echo $SLURM_JOB_ID $CUDA_VISIBLE_DEVICES", gpus=1)
    assert service.output(job, "STDOUT.txt").split() == [at_slurm(slurm, job)[0][2], "0"]


def test_what_slurm_refuses_fails_with_its_words(slurm: SlurmCluster) -> None:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        home = Path(name)
        file = home / "service.toml"
        queue = '\n[queues.{}]\nexecutor = "slurm"\n{} = "nope"\n'
        more = queue.format("Odd", "constraint") + queue.format("Gone", "partition")
        file.write_text(slurm.settings() + more)
        service = RunningService(home, KOTTA_SERVICE_SETTINGS=str(file))
        service.start()
        try:
            job = service.run(executable="true", queue="Odd", walltime=10)
            assert outcome(job) == ("failed", "staging")
            assert "Invalid feature specification" in job["error"]
            gone = {"executable": "true", "queue": "Gone"}
            answer = service.http.post("/jobs", json={"jobs": [gone]})
            assert answer.status_code == 422
            (problem,) = answer.json()["errors"]
            assert problem["pointer"] == "/jobs/0/queue"
            assert problem["detail"] == "is `Gone`, but Slurm has no partition `nope`"
        finally:
            service.close()
            slurm.until_idle()


def test_what_slurm_would_refuse_of_settings_is_told(slurm: SlurmCluster, tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text(slurm.settings())
    assert asked(load_settings(file), tmp_path) == []
    queues = {
        "A": 'partition = "Test,Nope"',
        "B": 'constraint = "nope"',
        "C": 'extra_arguments = ["--nope"]',
        "D": 'extra_arguments = ["--exclude=node77"]',
        "E": 'partition = "Test"\nmax_walltime_minutes = 5000',
    }
    more = [f'[queues.{name}]\nexecutor = "slurm"\n{text}\n' for name, text in queues.items()]
    file.write_text(slurm.settings() + "\n".join(more))
    says = "sbatch --test-only, for a job of one core, says"
    a, b, c, d, e = asked(load_settings(file), tmp_path)
    assert a == "queue `A`: Slurm has no partition `Nope`"
    assert b == f"queue `B`: {says}: allocation failure: Invalid feature specification"
    assert c.startswith(f"queue `C`: {says}: unrecognized option '--nope'")
    assert d == f"queue `D`: {says}: allocation failure: Invalid node name specified"
    place = "partition `Test` of Slurm has 60 at most"
    assert e == f"queue `E`: max_walltime_minutes is 5000, but {place}"
    assert not slurm.ask("squeue", "-h", "-a").strip()


def test_a_runner_that_cannot_be_started_is_a_lost_job(slurm: SlurmCluster) -> None:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        service = service_of(slurm, Path(name), absent_seconds=1)
        file = Path(name) / "service.toml"
        lines = file.read_text().splitlines()
        file.write_text(
            "\n".join(
                'python = "/no/python"' if line.startswith("python") else line for line in lines
            )
        )
        service.start()
        try:
            job = service.run(executable="true", seconds=60)
            assert outcome(job) == ("failed", "lost")
            assert "/no/python" in job["error"]
        finally:
            service.close()
            slurm.until_idle()


def test_scancel_behind_our_back_cancels_a_job_that_waits(
    slurm: SlurmCluster, service: RunningService
) -> None:
    fill(slurm, service)
    job = service.submit({"executable": "sleep 300", "cpus": 4})[0]
    slurm.ask("scancel", until_at_slurm(slurm, job)[2])
    ended = service.wait(job)[0]
    assert outcome(ended) == ("cancelled", "user")
    assert ended["error"].startswith("cancelled by the cluster")


def test_scancel_behind_our_back_cancels_a_job_that_runs_and_keeps_its_outputs(
    slurm: SlurmCluster, service: RunningService
) -> None:
    job = service.submit({"executable": "echo early > a.txt; sleep 300", "outputs": "a.txt"})[0]
    service.until_status(job, "processing")
    slurm.ask("scancel", until_at_slurm(slurm, job)[2])
    ended = service.wait(job)[0]
    assert outcome(ended) == ("cancelled", "user")
    assert ended["error"].startswith("cancelled by the cluster")
    assert service.output(ended, "a.txt") == "early\n"
    assert processes_of(job) == []


def test_a_cancelled_job_is_gone_from_slurm_whether_it_runs_or_waits(
    slurm: SlurmCluster, service: RunningService
) -> None:
    jobs = fill(slurm, service)
    jobs += service.submit({"executable": "sleep 300", "cpus": 4})
    until_at_slurm(slurm, jobs[3])
    answer = service.http.post("/jobs/cancel", json={"jobs": [job["id"] for job in jobs]})
    assert answer.status_code == 200
    assert {outcome(job) for job in service.wait(*jobs)} == {("cancelled", "user")}

    def states() -> set[str]:
        return {found[0] for job in jobs for found in at_slurm(slurm, job)}

    wait_until(lambda: states() <= {"CANCELLED", "COMPLETED"}, timeout=20, what=states)


def test_more_memory_than_asked_for_is_told(slurm: SlurmCluster, service: RunningService) -> None:
    code = "import time; kept = bytearray(300 << 20); time.sleep(300)"
    job = service.run(executable=f"python3 -c '{code}'", memory=100)
    assert outcome(job) == ("failed", "memory"), job


def test_slurms_time_limit_is_a_walltime_that_is_over(
    slurm: SlurmCluster, service: RunningService
) -> None:
    job = service.submit({"executable": "sleep 300"})[0]
    service.until_status(job, "processing")
    native_id = until_at_slurm(slurm, job)[2]
    # Slurm looks at time limits every half minute
    slurm.ask("scontrol", "update", f"JobId={native_id}", "EndTime=now")
    assert outcome(service.wait(job, seconds=60)[0]) == ("failed", "walltime")


def test_a_preempted_job_is_tried_again_if_it_asked_for_that(
    slurm: SlurmCluster, service: RunningService
) -> None:
    wanted = {"executable": "echo $KOTTA_ATTEMPT; sleep 300", "cpus": 4, "retries": 1}
    jobs = service.submit(*(dict(wanted) for _ in range(3)))
    for job in jobs:
        service.until_status(job, "processing")
    first = slurm.ask(
        "sbatch", "--parsable", "-p", "Urgent", "-c", "4", "-o", "/dev/null", "--wrap", "sleep 300"
    )

    def preempted() -> Any:
        return [job for job in jobs if service.status(job)["attempt"] == 1
                and service.status(job)["status"] == "pending"]  # fmt: skip

    again = wait_until(preempted, timeout=20, what=lambda: [service.status(job) for job in jobs])
    slurm.ask("scancel", first.strip())
    job = service.until_status(again[0], "processing")
    assert job["attempt"] == 2


@pytest.mark.slow
def test_a_node_that_dies_loses_its_jobs_and_they_are_tried_again_elsewhere(
    own_cluster: SlurmCluster, own_service: RunningService
) -> None:
    runs = own_service.home / "runs"
    job = own_service.submit(
        {"executable": f"echo $KOTTA_ATTEMPT >> {runs}; sleep 3; echo done", "retries": 1}
    )[0]
    plain = own_service.submit({"executable": "sleep 300"})[0]
    for each in (job, plain):
        own_service.until_status(each, "processing")
    nodes = {at_slurm(own_cluster, each)[0][1] for each in (job, plain)}
    for node in nodes:
        own_cluster.kill_node(int(node.removeprefix("node")))
    ended = own_service.wait(job, plain, seconds=100)
    assert outcome(ended[0]) == ("completed", "exit")
    assert ended[0]["attempt"] == 2
    assert runs.read_text() == "1\n2\n"
    assert outcome(ended[1]) == ("failed", "lost")
    # a step that dies an instant before its node is told of as one that failed
    words = ("its node failed", "when Slurm called its job FAILED")
    assert any(each in ended[1]["error"] for each in words), ended[1]["error"]


def test_a_killed_controller_holds_nothing_up_for_good(
    own_cluster: SlurmCluster, own_service: RunningService
) -> None:
    runs = own_service.home / "runs"
    running = own_service.submit({"executable": f"echo a >> {runs}; sleep 2"})[0]
    own_service.until_status(running, "processing")
    own_cluster.kill_controller()
    later = own_service.submit({"executable": f"echo b >> {runs}"})[0]
    # what runs is seen in the shared folder, with no controller at all
    assert outcome(own_service.wait(running)[0]) == ("completed", "exit")
    own_cluster.start_controller()
    assert outcome(own_service.wait(later, seconds=60)[0]) == ("completed", "exit")
    assert sorted(runs.read_text().split()) == ["a", "b"]


def test_a_killed_service_finds_its_jobs_again_and_hands_over_what_it_had_not(
    own_cluster: SlurmCluster, own_service: RunningService
) -> None:
    runs = own_service.home / "runs"
    names = [f"job{number}" for number in range(30)]
    jobs = own_service.submit(*({"executable": f"echo {name} >> {runs}"} for name in names))
    own_service.kill()
    own_service.start()
    ended = own_service.wait(*jobs, seconds=90)
    assert {outcome(job) for job in ended} == {("completed", "exit")}
    assert sorted(runs.read_text().split()) == sorted(names)
