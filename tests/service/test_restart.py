"""What a killed own_service, runner or launcher must not change."""

from __future__ import annotations

import os
import random
import signal
import time

import psutil
from running_service import RunningService
from waiting import wait_until


def processes_of(job: dict[str, object]) -> list[psutil.Process]:
    """Every live process that carries the job's id in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KOTTA_JOB_ID") == job["id"]:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def running(words: list[str]) -> bool:
    """Whether a process of this command line lives."""
    return any(process.info["cmdline"] == words for process in psutil.process_iter(["cmdline"]))


def runner_of(job: dict[str, object]) -> psutil.Process:
    """The process that started the job's shell."""
    shell = min(processes_of(job), key=lambda process: (process.create_time(), process.pid))
    parent = shell.parent()
    assert parent is not None
    return parent


def test_a_running_job_outlives_the_service_and_is_found_again(own_service: RunningService) -> None:
    go_on = own_service.data / "go-on"
    command = f"until [ -e {go_on} ]; do sleep 0.1; done; echo done"
    job = own_service.submit({"executable": command})[0]
    own_service.until_status(job, "processing")
    own_service.kill()
    own_service.start()
    assert own_service.status(job)["status"] == "processing"
    go_on.touch()
    ended = own_service.wait(job)[0]
    assert (ended["status"], own_service.output(ended, "STDOUT.txt")) == ("completed", "done\n")
    assert ended["attempt"] == 1


def test_a_job_that_ended_while_no_service_ran_is_found_ended(own_service: RunningService) -> None:
    job = own_service.submit({"executable": "sleep 1; echo done > a.txt", "outputs": "a.txt"})[0]
    own_service.until_status(job, "processing")
    own_service.kill()
    wait_until(lambda: not processes_of(job), timeout=10)
    own_service.start()
    ended = own_service.wait(job)[0]
    assert (ended["status"], own_service.output(ended, "a.txt")) == ("completed", "done\n")


def test_a_killed_runner_is_a_lost_job_and_leaves_nothing_running(
    own_service: RunningService,
) -> None:
    job = own_service.submit({"executable": "setsid sleep 100 & sleep 100"})[0]
    own_service.until_status(job, "processing")
    wait_until(lambda: len(processes_of(job)) >= 3, timeout=10)
    started = time.monotonic()
    runner_of(job).kill()
    ended = own_service.wait(job)[0]
    assert time.monotonic() - started < 10
    assert (ended["status"], ended["reason"]) == ("failed", "lost")
    assert processes_of(job) == []


def test_a_lost_job_is_retried_as_often_as_it_asked(own_service: RunningService) -> None:
    job = own_service.submit({"executable": "sleep 100", "retries": 1})[0]
    for attempt in (1, 2):
        wait_until(
            lambda attempt=attempt: (
                (now := own_service.status(job))["attempt"] == attempt
                and now["status"] == "processing"
                and processes_of(job)
            ),
            timeout=15,
            what=lambda: own_service.status(job),
        )
        runner_of(job).kill()
    ended = own_service.wait(job)[0]
    assert (ended["status"], ended["reason"], ended["attempt"]) == ("failed", "lost", 2)


def test_a_killed_launcher_is_replaced(own_service: RunningService) -> None:
    assert own_service.process is not None
    own_service.run(executable="true")
    for child in psutil.Process(own_service.process.pid).children():
        child.kill()
    assert own_service.run(executable="true")["status"] == "completed"


def test_jobs_run_on_when_the_service_stops_in_order(own_service: RunningService) -> None:
    job = own_service.submit({"executable": "sleep 4; echo on"})[0]
    own_service.until_status(job, "processing")
    assert own_service.stop() == 0
    assert processes_of(job)
    own_service.start()
    assert own_service.wait(job)[0]["status"] == "completed"


def test_cancel_leaves_nothing_of_a_five_process_tree(own_service: RunningService) -> None:
    """setsid, double fork, SIGTERM ignored, children that fork on: all gone, and only then told.

    One has lost its parent, and all in its environment by which it could be told from others.
    """
    nameless = ["sleep", f"1000.{random.randrange(10**9)}"]
    script = f"""
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.run("setsid env -i {" ".join(nameless)} &", shell=True)
subprocess.Popen(["setsid", "sleep", "1000"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"])
        while True:
            time.sleep(1)
    os._exit(0)
open("ready", "w").close()
while True:
    time.sleep(1)
"""
    job = own_service.submit(
        {"executable": "python3 tree.py", "script_name": "tree.py", "script": script}
    )[0]
    wait_until(lambda: len(processes_of(job)) >= 5 and running(nameless), timeout=15)
    answer = own_service.http.post(f"/jobs/{job['id']}/cancel")
    assert answer.status_code == 200
    ended = own_service.wait(job)[0]
    assert processes_of(job) == []
    assert not running(nameless)
    assert (ended["status"], ended["reason"]) == ("cancelled", "user")


def test_a_service_that_is_stopped_for_a_while_loses_nothing(own_service: RunningService) -> None:
    assert own_service.process is not None
    job = own_service.submit({"executable": "sleep 0.5; echo on"})[0]
    own_service.until_status(job, "processing")
    os.kill(own_service.process.pid, signal.SIGSTOP)
    wait_until(lambda: not processes_of(job), timeout=10)
    os.kill(own_service.process.pid, signal.SIGCONT)
    assert own_service.wait(job)[0]["status"] == "completed"
