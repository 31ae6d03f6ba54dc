"""What a runner tells, to whom, and what it does about the answer."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from waiting import wait_until

from .conftest import Attempts, Receiver, tag, tagged

RunAlone = Callable[..., "subprocess.Popen[bytes]"]


def test_a_phase_is_passed_on_by_the_launcher(attempts: Attempts) -> None:
    launch = attempts.start("while [ ! -e go ]; do sleep 0.01; done")
    phase = attempts.told("phase", launch)[0]
    assert phase["phase"] == "processing"
    assert list(phase["timeline"]) == ["staging_inputs", "processing"]
    assert '"phase": "processing"' in attempts.file(launch, "phase.json").read_text()
    (attempts.file(launch, "work") / "go").touch()
    attempts.told("ended", launch)


def test_a_short_phase_is_not_reported_by_itself(attempts: Attempts) -> None:
    launch = attempts.describe("true")
    attempts.hand_over(launch)
    attempts.told("ended", launch)
    assert [message for message in attempts.seen if "phase" in message] == []


def test_runners_run_on_when_their_launcher_leaves(attempts: Attempts, receiver: Receiver) -> None:
    receiver.open()
    go = "while [ ! -e go ]; do sleep 0.01; done"
    launch = attempts.start(go, service=receiver.service())
    idle = attempts.describe("true")
    attempts.hand_over(idle)
    attempts.told("ended", idle)
    assert attempts.launcher.stdin is not None
    attempts.launcher.stdin.close()
    assert attempts.launcher.wait(10) == 0
    wait_until(lambda: not Path(f"/proc/{attempts.pid(idle)}").exists())
    (attempts.file(launch, "work") / "go").touch()
    record = attempts.record(launch)
    assert record["status"] == "completed"
    # nobody else could: so it tells of its end itself
    assert receiver.reports[-1]["record"] == record
    assert receiver.reports[-1]["phase"] == "ended"
    assert receiver.tokens == {"Bearer a-token"}


def test_a_launcher_that_dies_takes_no_job_with_it(attempts: Attempts) -> None:
    launch = attempts.describe("sleep 0.3")
    attempts.hand_over(launch)
    wait_until(lambda: attempts.lock_text(launch), what=attempts.log)
    attempts.launcher.kill()
    assert attempts.record(launch)["status"] == "completed"


def test_a_runner_without_a_launcher_reports_every_phase(
    attempts: Attempts, receiver: Receiver, run_alone: RunAlone
) -> None:
    receiver.open()
    launch = attempts.describe("while [ ! -e go ]; do sleep 0.01; done", service=receiver.service())
    run_alone(launch)
    wait_until(receiver.phases, what=attempts.log)
    (attempts.file(launch, "work") / "go").touch()
    record = attempts.record(launch)
    assert receiver.phases() == ["processing", "ended"]
    assert receiver.reports[0]["record"] is None
    assert receiver.reports[1]["record"] == record


def test_a_lost_report_is_repeated(
    attempts: Attempts, receiver: Receiver, run_alone: RunAlone
) -> None:
    launch = attempts.describe("true", service=receiver.service())
    runner = run_alone(launch)
    wait_until(attempts.file(launch, "exit.json").exists)
    # the service comes up late, is busy once, and then listens
    receiver.answer = lambda count: (503, b"") if count == 1 else (200, b'{"cancel": false}')
    receiver.open()
    assert runner.wait(20) == 0
    assert receiver.phases() == ["ended", "ended"]


def test_the_answer_to_a_report_may_ask_to_cancel(
    attempts: Attempts, receiver: Receiver, run_alone: RunAlone
) -> None:
    receiver.answer = lambda _: (200, b'{"cancel": true}')
    receiver.open()
    launch = attempts.describe("sleep 600", service=receiver.service())
    run_alone(launch)
    assert attempts.record(launch)["status"] == "cancelled"
    assert tagged(tag(launch)) == []


def test_a_service_that_has_no_use_for_an_attempt_is_left_alone(
    attempts: Attempts, receiver: Receiver, run_alone: RunAlone
) -> None:
    receiver.answer = lambda count: (409 if count == 1 else 200, b"{}")
    receiver.open()
    launch = attempts.describe("while [ ! -e go ]; do sleep 0.01; done", service=receiver.service())
    runner = run_alone(launch)
    wait_until(receiver.phases, what=attempts.log)
    (attempts.file(launch, "work") / "go").touch()
    assert attempts.record(launch)["status"] == "completed"
    assert runner.wait(10) == 0
    assert receiver.phases() == ["processing"]


def test_a_service_that_hangs_delays_neither_walltime_nor_cancel(
    attempts: Attempts, receiver: Receiver, run_alone: RunAlone
) -> None:
    answering = threading.Event()

    def late(_count: int) -> tuple[int, bytes]:
        answering.wait(30)
        return 404, b""

    receiver.answer = late
    receiver.open()
    slow = attempts.describe("sleep 600", service=receiver.service(), walltime_seconds=0.5)
    cancelled = attempts.describe("sleep 600", service=receiver.service())
    runners = [run_alone(slow), run_alone(cancelled)]
    wait_until(lambda: len(receiver.reports) >= 2, what=attempts.log)
    began = time.monotonic()
    attempts.cancel(cancelled)
    for launch in (slow, cancelled):
        # by the record alone: the last report is still hanging
        wait_until(attempts.file(launch, "exit.json").exists, 5)
    assert time.monotonic() - began < 5
    answering.set()
    for runner in runners:
        assert runner.wait(10) == 0


def test_a_launcher_that_hangs_delays_neither_walltime_nor_cancel(attempts: Attempts) -> None:
    timed = attempts.start("sleep 600", walltime_seconds=0.5)
    cancelled = attempts.start("sleep 600")
    os.kill(attempts.launcher.pid, signal.SIGSTOP)
    try:
        attempts.cancel(cancelled)
        assert attempts.record(cancelled, 5)["status"] == "cancelled"
        assert attempts.record(timed, 5)["reason"] == "walltime"
    finally:
        os.kill(attempts.launcher.pid, signal.SIGCONT)


def test_a_phase_that_nobody_takes_does_not_end_the_job(attempts: Attempts) -> None:
    """A pipe without a reader is what is there between a launcher's end and its being missed."""
    from kotta_runner.report import Launcher, Reporter

    reader, writer = os.pipe()
    os.close(reader)
    launch = attempts.describe("true")
    try:
        reporter = Reporter(launch, Launcher(os.getppid(), writer), on_cancel=lambda: None)
        reporter.tell("processing", {"processing": 1.0})
    finally:
        os.close(writer)
