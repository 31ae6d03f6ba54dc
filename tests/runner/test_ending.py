"""Cancel, walltime and a command's end: whatever the command started, nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from kotta_runner import usage
from kotta_runner.process_tree import Children

from .conftest import Attempts, Server, tag, tagged

STUBBORN = """
import os, signal, sys, threading, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)

def child(action):
    if os.fork() == 0:
        action()
        os._exit(0)

def in_a_session_of_its_own():
    os.setsid()
    time.sleep(600)

def as_a_daemon():
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)

def on_the_run():
    # a new process every few milliseconds, each an orphan at once
    while os.fork() == 0:
        time.sleep(0.003)

def growing_when_asked_to_end():
    signal.signal(signal.SIGTERM, lambda *_: child(lambda: time.sleep(600)))
    while True:
        time.sleep(600)

def without_its_first_thread():
    import ctypes
    threading.Thread(target=time.sleep, args=(600,)).start()
    open('headless.part', 'w').write(str(os.getpid()))
    os.rename('headless.part', 'headless')
    ctypes.CDLL(None).pthread_exit(None)

for action in (in_a_session_of_its_own, as_a_daemon, on_the_run, growing_when_asked_to_end,
               without_its_first_thread):
    child(action)
while not os.path.exists('headless'):
    time.sleep(0.01)
print(open('headless').read(), flush=True)
"""
WAIT = "time.sleep(600)\n"


def start_stubborn(attempts: Attempts, end: str, **changes: Any) -> tuple[dict[str, Any], int]:
    """A job of at least five stubborn processes, and the id of the one that has no first thread."""
    launch = attempts.start(
        f"{sys.executable} stubborn.py",
        script={"name": "stubborn.py", "text": STUBBORN + end},
        **changes,
    )
    said = attempts.file(launch, "stdout")
    kept = Path(launch["stage_out"]["directory"]) / "STDOUT.txt"

    def headless() -> int:
        for path in (said, kept):
            if path.exists() and (text := path.read_text()):
                return int(text)
        return 0

    return launch, wait_until(headless, what=attempts.log)


def nothing_is_left(launch: dict[str, Any], headless: int) -> None:
    assert tagged(tag(launch)) == []
    assert not lives(headless)


def lives(process: int) -> bool:
    command = ["ps", "-L", "-o", "stat=", "-p", str(process)]
    threads = subprocess.run(command, check=False, capture_output=True, text=True).stdout.split()
    return any(not state.startswith(("Z", "X")) for state in threads)


def test_cancel_leaves_no_process(attempts: Attempts) -> None:
    launch, headless = start_stubborn(attempts, WAIT)
    assert len(tagged(tag(launch))) >= 4
    assert lives(headless)
    attempts.cancel(launch)
    record = attempts.record(launch)
    assert (record["status"], record["reason"]) == ("cancelled", "user")
    assert (record["exit_code"], record["signal"]) == (None, None)
    nothing_is_left(launch, headless)
    assert record["processing_seconds"] < 10


def test_walltime_leaves_no_process(attempts: Attempts) -> None:
    launch, headless = start_stubborn(attempts, WAIT, walltime_seconds=1.0)
    record = attempts.record(launch)
    assert (record["status"], record["reason"]) == ("failed", "walltime")
    nothing_is_left(launch, headless)
    assert 1.5 <= record["processing_seconds"] < 10


def test_a_command_that_ends_leaves_no_process(attempts: Attempts) -> None:
    launch, headless = start_stubborn(attempts, "os._exit(0)\n")
    record = attempts.record(launch)
    assert (record["status"], record["exit_code"]) == ("completed", 0)
    nothing_is_left(launch, headless)


def test_what_a_lost_runner_left_is_found_by_its_tag_and_ended(attempts: Attempts) -> None:
    launch, headless = start_stubborn(attempts, WAIT)
    os.kill(attempts.pid(launch), signal.SIGKILL)
    assert attempts.told("ended", launch) == [{"job_id": launch["job_id"], "attempt": 1}]
    assert attempts.lock_is_free(launch)
    assert attempts.file(launch, "started").exists()
    assert not attempts.file(launch, "exit.json").exists()
    assert tagged(tag(launch))
    command = [sys.executable, "-W", "error", "-m", "kotta_runner.leftovers", tag(launch)]
    subprocess.run(command, check=True, timeout=20)
    nothing_is_left(launch, headless)


def test_a_polite_command_is_given_its_time_and_no_more(attempts: Attempts) -> None:
    launch = attempts.start(
        "trap 'echo saved > state; exit 0' TERM; touch up; while :; do sleep 0.01; done",
        outputs=["state"],
        grace_seconds=30.0,
    )
    wait_until(lambda: (attempts.file(launch, "work") / "up").exists())
    began = time.monotonic()
    attempts.cancel(launch)
    record = attempts.record(launch)
    assert record["status"] == "cancelled"
    assert attempts.output(record, "state") == b"saved\n"
    assert time.monotonic() - began < 10


def test_walltime_counts_without_staging_and_is_exact(attempts: Attempts) -> None:
    record = attempts.run("sleep 60", walltime_seconds=0.3)
    assert record["reason"] == "walltime"
    assert 0.3 <= record["processing_seconds"] < 2
    assert "minutes" in record["error"]


def test_cancel_ends_a_download_that_hangs(attempts: Attempts, server: Server) -> None:
    launch = attempts.describe("true", inputs=[{"name": "in", "url": server.url("silent")}])
    attempts.hand_over(launch)
    wait_until(lambda: server.asked)
    began = time.monotonic()
    attempts.cancel(launch)
    record = attempts.record(launch)
    assert (record["status"], record["reason"]) == ("cancelled", "user")
    assert time.monotonic() - began < 5
    assert not attempts.file(launch, "started").exists()


def test_cancel_before_the_command_means_it_never_starts(attempts: Attempts) -> None:
    launch = attempts.describe("echo ran > ran", outputs=["ran"])
    Path(launch["directory"]).mkdir(parents=True, mode=0o700)
    attempts.file(launch, "cancel").touch()
    attempts.hand_over(launch)
    record = attempts.record(launch)
    assert (record["status"], record["reason"]) == ("cancelled", "user")
    assert record["outputs"] == [
        {"name": "ran", "available": False, "size_bytes": None, "sha256": None}
    ]


def test_cancel_after_the_command_changes_nothing(attempts: Attempts) -> None:
    launch = attempts.describe("true")
    attempts.hand_over(launch)
    before = attempts.record(launch)
    # its runner idles, or is at another job: a signal that comes late must not concern it
    attempts.cancel(launch)
    assert attempts.record(launch) == before
    assert attempts.run("true")["status"] == "completed"


def test_a_late_cancel_does_not_hit_the_next_job_of_a_runner(attempts: Attempts) -> None:
    first = attempts.describe("true")
    attempts.hand_over(first)
    attempts.told("ended", first)
    second = attempts.start("while [ ! -e go ]; do sleep 0.01; done")
    assert attempts.pid(second) == attempts.pid(first)
    attempts.cancel(first)
    (attempts.file(second, "work") / "go").touch()
    assert attempts.record(second)["status"] == "completed"


def test_other_signals_do_not_end_a_runner_or_its_job(attempts: Attempts) -> None:
    launch = attempts.start("while [ ! -e go ]; do sleep 0.01; done")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(attempts.pid(launch), number)
    (attempts.file(launch, "work") / "go").touch()
    assert attempts.record(launch)["status"] == "completed"


def test_a_lost_runner_takes_its_download_along(attempts: Attempts, server: Server) -> None:
    launch = attempts.describe("true", inputs=[{"name": "in", "url": server.url("silent")}])
    attempts.hand_over(launch)
    wait_until(lambda: server.asked)
    os.kill(attempts.pid(launch), signal.SIGKILL)
    # a free lock is what tells the service that this attempt may be handed over again
    wait_until(lambda: attempts.lock_is_free(launch), 5)


def samples(attempts: Attempts, launch: dict[str, Any]) -> list[dict[str, Any]]:
    path = attempts.file(launch, "usage.jsonl")
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def test_a_long_job_is_sampled_while_it_runs(attempts: Attempts) -> None:
    launch = attempts.start(
        "echo out; echo oops >&2; head -c 50000 /dev/zero > f; while [ ! -e go ]; do :; done"
    )
    wait_until(lambda: len(samples(attempts, launch)) > 1)
    start, first = samples(attempts, launch)[:2]
    assert (start["seconds"], start["cpu_seconds"], start["memory_bytes"]) == (0, 0, None)
    assert first["cpu_seconds"] > 0
    assert first["memory_bytes"] > 1 << 16
    assert first["disk_bytes"] >= 50_000
    assert (first["stdout_bytes"], first["stderr_bytes"]) == (4, 5)
    assert abs(first["at"] - start["at"] - first["seconds"]) < 0.1
    (attempts.file(launch, "work") / "go").touch()
    record = attempts.record(launch)
    last = samples(attempts, launch)[-1]
    assert record["cpu_seconds"] == pytest.approx(last["cpu_seconds"], abs=0.001)
    assert record["peak_memory_bytes"] >= first["memory_bytes"]


def test_a_short_job_has_a_sample_of_its_start_and_of_its_end(attempts: Attempts) -> None:
    launch = attempts.describe("echo out; sleep 0.1")
    attempts.hand_over(launch)
    record = attempts.record(launch)
    assert samples(attempts, launch) == []
    start, end = record["samples"]
    assert start["seconds"] == start["stdout_bytes"] == 0
    # the one is rounded to a thousandth, the other is not
    assert 0.1 <= end["seconds"] <= record["processing_seconds"] + 0.0005
    assert (end["stdout_bytes"], end["processes"], end["memory_bytes"]) == (4, 0, None)


def test_a_job_that_spreads_over_processes_has_the_memory_of_all(attempts: Attempts) -> None:
    script = "import time; held = bytearray(40 << 20); time.sleep(0.9)"
    launch = attempts.describe(
        "python3 big.py & python3 big.py & wait", script={"name": "big.py", "text": script}
    )
    attempts.hand_over(launch)
    assert attempts.record(launch)["peak_memory_bytes"] > 80 << 20


def test_samples_stay_bounded_and_keep_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(usage, "MAX_SAMPLES", 8)
    sampler = usage.Sampler(str(tmp_path), str(tmp_path), Children())
    for _ in range(20):
        sampler.sample()
    sampler.finish()
    kept = [json.loads(line) for line in (tmp_path / "usage.jsonl").read_text().splitlines()]
    assert len(kept) <= 8
    assert kept[0]["seconds"] == 0
    assert [sample["at"] for sample in kept] == sorted(sample["at"] for sample in kept)
    assert not (tmp_path / "usage.jsonl.new").exists()
