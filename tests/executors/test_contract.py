"""What every executor promises: docs/extend-executor.md."""

from __future__ import annotations

import os
import signal

import psutil
from waiting import wait_until

from executors.conftest import Placed
from kotta_service.executors import Key, Sight


def tagged(key: Key) -> list[psutil.Process]:
    """Live processes of an attempt's command."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KOTTA_TAG") == f"{key.job_id}/{key.attempt}":
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_what_is_submitted_runs_and_leaves_its_record(placed: Placed) -> None:
    key = placed.submit("echo said; echo made > a.txt")
    record = placed.until(key, Sight.ENDED).record
    assert record is not None
    assert (record["status"], record["reason"], record["exit_code"]) == ("completed", "exit", 0)
    made = {output["name"]: output["size_bytes"] for output in record["outputs"]}
    assert made == {"a.txt": 5, "out": 5, "err": 0}


def test_an_end_is_told_without_being_asked_for(placed: Placed) -> None:
    key = placed.submit("exit 3")
    wait_until(lambda: [told for told in placed.told if told[0] == key], timeout=20)
    # what an account says is looked at rather than told
    sighting = placed.executor.look(key)
    record = placed.told[-1][1] or (sighting.record if sighting else None)
    assert record is not None
    assert (record["status"], record["exit_code"]) == ("failed", 3)


def test_a_phase_is_told_and_seen(placed: Placed) -> None:
    key = placed.submit("sleep 60")
    wait_until(lambda: "processing" in dict(placed.phases).get(key, {}), timeout=20)
    sighting = placed.until(key, Sight.RUNNING)
    assert sighting.phase is not None
    assert sighting.phase["phase"] == "processing"


def test_a_launch_that_is_handed_over_twice_starts_once(placed: Placed) -> None:
    places = placed.root / "runs"
    launch = placed.launch(f"echo x >> {places}; sleep 0.5")
    key = Key(launch["job_id"], 1)
    for _ in range(3):
        placed.executor.submit(launch)
    placed.until(key, Sight.ENDED)
    placed.executor.submit(launch)
    another = placed.submit("true")  # by its end the last one would have run
    placed.until(another, Sight.ENDED)
    assert places.read_text() == "x\n"


def test_what_nobody_submitted_is_absent(placed: Placed) -> None:
    launch = placed.launch("true")
    placed.until(Key(launch["job_id"], 1), Sight.ABSENT)


def test_what_is_cancelled_before_it_is_submitted_never_starts(placed: Placed) -> None:
    launch = placed.launch(f"touch {placed.root}/ran")
    key = Key(launch["job_id"], 1)
    assert placed.executor.cancel(key)
    placed.executor.submit(launch)
    placed.until(placed.submit("sleep 0.5"), Sight.ENDED)
    assert not (placed.root / "ran").exists()


def test_a_cancelled_command_gets_its_grace_and_keeps_its_outputs(placed: Placed) -> None:
    key = placed.submit("trap 'echo bye > a.txt; exit' TERM; sleep 60 & wait", grace_seconds=20.0)
    placed.until_it_runs(key)
    # its `sleep` comes after its `trap`
    wait_until(lambda: len(tagged(key)) > 1)
    assert not placed.executor.cancel(key)
    record = placed.until(key, Sight.ENDED).record
    assert record is not None
    assert (record["status"], record["reason"]) == ("cancelled", "user")
    assert (placed.outputs(key) / "a.txt").read_text() == "bye\n"
    assert tagged(key) == []


def test_a_killed_runner_is_a_lost_attempt_of_which_nothing_is_left(placed: Placed) -> None:
    key = placed.submit("setsid sleep 300 & sleep 300")
    placed.until_it_runs(key)
    wait_until(lambda: len(tagged(key)) >= 3)
    shell = min(tagged(key), key=lambda process: (process.create_time(), process.pid))
    os.kill(shell.ppid(), signal.SIGKILL)
    placed.until(key, Sight.LOST)
    placed.executor.end_leftovers(key)
    wait_until(lambda: not tagged(key))


def test_a_new_executor_finds_what_an_earlier_one_placed(placed: Placed) -> None:
    running, ended = placed.submit("sleep 300"), placed.submit("true")
    placed.until_it_runs(running)
    placed.until(ended, Sight.ENDED)
    placed.begin_anew()
    placed.until(running, Sight.RUNNING)
    placed.until(ended, Sight.ENDED)
    assert not placed.executor.cancel(running)
    record = placed.until(running, Sight.ENDED).record
    assert record is not None
    assert record["status"] == "cancelled"


def test_no_launch_is_left_where_others_could_find_its_token(placed: Placed) -> None:
    key = placed.submit("sleep 300", service={"address": "unix:/nowhere", "token": "a-secret-word"})
    placed.until_it_runs(key)
    kept = [path for path in placed.executor.directory(key).rglob("*") if path.is_file()]
    assert not [path for path in kept if b"a-secret-word" in path.read_bytes()]
