"""SIGKILL and SIGSTOP: for the service, its launcher, its runners, its threads."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from waiting import wait_until

from trust.harness import Figures, Harmed, Trial, judge, kill, running, scenario

SUBMITS_A_KILL = 5
ASK_SECONDS = 0.05
_FAULTS = Path(__file__).parents[1] / "faults"


@scenario(
    "0 lost, 0 duplicate, 0 run twice; ready ≤ 2 s; every job terminal ≤ 30 s after its work ends",
    short=6,
    full=200,
)
def service_killed_while_jobs_are_submitted(trial: Trial, count: int) -> Figures:
    """The service is killed at random moments; who submits repeats by key."""
    service, ready = trial.service(), []
    turns = threading.Semaphore(0)
    interrupted = 0

    def submit_all() -> None:
        for number in range(SUBMITS_A_KILL * count):
            turns.acquire()
            service.submit_surely(trial, f"key-{number}", trial.command("sleep 0.2", output="x"))

    with running(service), ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(submit_all)
        for number in range(1, count + 1):
            turns.release(SUBMITS_A_KILL)
            time.sleep(trial.chance.uniform(0, 0.1))
            interrupted += len(trial.accepted) < SUBMITS_A_KILL * number
            service.kill()
            service.start()
            ready.append(service.ready_seconds)
        submitting.result(120)
        wait_until(lambda: len(trial.logged("end")) == len(trial.accepted), timeout=120)
        since = time.monotonic()
        jobs = service.settle()
        settled = trial.within(time.monotonic() - since, 30)
        assert {job["status"] for job in jobs} == {"completed"}
        assert len(jobs) == SUBMITS_A_KILL * count
        judge(trial, service)
    assert interrupted > count / 5, "the kills came when there was nothing to interrupt"
    ready.sort()
    trial.within(ready[-1], 2)
    return {
        "jobs": len(jobs),
        "kills amid submissions": interrupted,
        "ready, median s": ready[len(ready) // 2],
        "ready, worst s": ready[-1],
        "terminal after the last end, s": settled,
    }


@scenario("every job terminal, ≤ 1 start, lost seen ≤ 10 s, without a restart", short=8, full=60)
def runner_or_launcher_killed(trial: Trial, count: int) -> Figures:
    """A runner, the launcher, or both are killed at a random moment of a job's life."""
    service, seen = trial.service(), []
    outcomes = {"completed": 0, "lost": 0}
    with running(service):
        for number in range(count):
            key = f"key-{number}"
            job = service.submit_surely(trial, key, trial.command("sleep 1", output="x"))
            if trial.chance.random() < 0.7:
                wait_until(lambda job=job: service.runner(job), timeout=20)
            time.sleep(trial.chance.choice([0, 0.005, 0.02, 0.1, 0.5, 1]))
            which = trial.chance.choice(["runner", "launcher", "both"])
            killed_at = time.monotonic()
            if which != "launcher":
                kill(service.runner(job))
            if which != "runner":
                kill(service.launcher())
            ended = service.wait({"id": job}, seconds=30)[0]
            assert ended["reason"] in ("lost", "exit"), ended
            outcomes["lost" if ended["reason"] == "lost" else "completed"] += 1
            if ended["reason"] == "lost":
                seen.append(time.monotonic() - killed_at)
        judge(trial, service)
    assert seen, "no kill lost a job"
    trial.within(max(seen), 10)
    return {
        "jobs": count,
        "completed all the same": outcomes["completed"],
        "lost": outcomes["lost"],
        "lost seen, worst s": max(seen),
    }


@scenario("0 alive at grace + 5 s", short=6, full=200)
def trees_of_five_processes_ended(trial: Trial, count: int) -> Figures:
    """Half of the trees are cancelled, half run out of walltime; they ignore SIGTERM and setsid."""
    service, took = trial.service(cpus=8), []
    script = """
trap '' TERM HUP
setsid sh -c "trap '' TERM; while :; do sleep 0.2; done" &
sh -c "trap '' TERM; setsid sleep 1000 & sleep 1000" &
(setsid sleep 1000 &) &
env -i KOTTA_TAG="$KOTTA_TAG" sleep 1000 &
echo ready > ready
while :; do sleep 0.2; done
"""
    walltime_seconds = 3.0

    def end_one(number: int) -> float:
        is_cancelled = number % 2 == 0
        described = {**trial.command("bash tree.sh"), "script_name": "tree.sh", "script": script}
        described["walltime"] = 5 if is_cancelled else walltime_seconds / 60
        job = service.submit_surely(trial, f"key-{number}", described)
        work = service.data / "jobs" / job[:2] / f"{job}.1" / "work"
        wait_until(lambda: (work / "ready").exists() or service.status({"id": job})["ended_at"])
        began = time.monotonic()
        if is_cancelled:
            assert service.http.post(f"/jobs/{job}/cancel").status_code == 200
        ended = service.wait({"id": job}, seconds=40)[0]
        left = time.monotonic() - began - (0 if is_cancelled else walltime_seconds)
        assert ended["reason"] == ("user" if is_cancelled else "walltime"), ended
        return left

    with running(service), ThreadPoolExecutor(4) as pool:
        took = list(pool.map(end_one, range(count)))
        judge(trial, service)
    trial.within(max(took), 1 + 5)
    return {"trees": count, "longest until none was left, s": max(took)}


@scenario("not ready ≤ 5 s, restarts, jobs go on", short=1, full=10)
def threads_of_the_service_killed(trial: Trial, count: int) -> Figures:
    """Each thread that the service stands on gets an exception that nobody expects."""
    service = trial.service(PYTHONPATH=os.fspath(_FAULTS))
    recovered = []
    with running(service):
        with _Readiness(service) as readiness:
            for number in range(count):
                for name in ("dispatcher", "writer", "launches", "launcher"):
                    key = f"{name}-{number}"
                    before = service.submit_surely(trial, f"{key}-before", trial.command("sleep 1"))
                    began = time.monotonic()
                    _poison(service, name)
                    after = service.submit_surely(trial, f"{key}-after", trial.command())
                    service.wait({"id": before}, {"id": after}, seconds=30)
                    recovered.append(time.monotonic() - began)
        judge(trial, service)
    trial.within(readiness.longest_lack_seconds, 5)
    assert {"dispatcher", "writer"} <= readiness.lacks, "it did not say that they had failed"
    return {
        "threads killed": 4 * count,
        "not ready, longest s": readiness.longest_lack_seconds,
        "jobs of before and after done, worst s": max(recovered),
    }


@scenario("nothing lost, goes on at once", short=3, full=30)
def service_stopped_and_continued(trial: Trial, count: int) -> Figures:
    """SIGSTOP for the service or its launcher amid work, SIGCONT some time later."""
    service = trial.service()
    with running(service):
        for number in range(count):
            jobs = [
                service.submit_surely(trial, f"key-{number}-{each}", trial.command("sleep 0.3"))
                for each in range(4)
            ]
            assert service.process is not None
            victim = trial.chance.choice([service.process.pid, service.launcher()])
            time.sleep(trial.chance.uniform(0, 0.3))
            with _stopped(victim or service.process.pid):
                time.sleep(trial.chance.uniform(0.1, 3))
            service.wait(*({"id": job} for job in jobs), seconds=30)
        judge(trial, service)
    return {"stops": count, "jobs": 4 * count}


class _Readiness:
    """Asks whether the service is ready, over and over, in a thread.

    Attributes:
        lacks: all that it has lacked at some time.
        longest_lack_seconds: the longest time from one answer that it was to the next.
    """

    def __init__(self, service: Harmed) -> None:
        self.lacks: set[str] = set()
        self.longest_lack_seconds = 0.0
        self._service = service
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> _Readiness:
        self._asking = self._pool.submit(self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._asking.result(30)
        self._pool.shutdown()

    def _ask(self) -> None:
        was_ready_at = time.monotonic()
        while not self._over.wait(ASK_SECONDS):
            answer = self._service.http.get("http://kotta/readyz")
            now = time.monotonic()
            self.longest_lack_seconds = max(self.longest_lack_seconds, now - was_ready_at)
            if answer.status_code == 200:
                was_ready_at = now
            self.lacks.update(answer.json()["lacks"])


def _poison(service: Harmed, thread: str) -> None:
    """Has the service raise `SystemExit` in a thread of its own; see faults/sitecustomize.py."""
    assert service.process is not None
    told = service.home / "poison"
    told.write_text(thread)
    os.kill(service.process.pid, signal.SIGUSR2)
    wait_until(lambda: not told.exists(), timeout=10)


@contextmanager
def _stopped(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
