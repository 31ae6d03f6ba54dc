"""One attempt, one start: whatever is handed over twice, barred, or left by a runner that died."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waiting import wait_until

from kotta_runner.attempt import above
from kotta_service.syncing import make_shards

from .conftest import Attempts, Server

RunAlone = Callable[..., "subprocess.Popen[bytes]"]


def test_two_runners_on_one_attempt_start_it_once(
    attempts: Attempts, run_alone: RunAlone, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    launch = attempts.describe(f"echo one >> {starts}; while [ ! -e go ]; do sleep 0.01; done")
    attempts.hand_over(launch)
    other = run_alone(launch)
    attempts.hand_over(launch)
    wait_until(starts.exists, what=attempts.log)
    first = (attempts.file(launch, "work")) / "go"
    first.touch()
    assert attempts.record(launch)["status"] == "completed"
    assert other.wait(10) == 0
    attempts.told("ended", launch)
    assert starts.read_text() == "one\n"


def test_an_attempt_that_was_started_is_not_started_again(
    attempts: Attempts, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    launch = attempts.describe(f"echo one >> {starts}")
    attempts.hand_over(launch)
    before = attempts.record(launch)
    attempts.hand_over(launch)
    attempts.told("ended", launch, 2)
    assert starts.read_text() == "one\n"
    assert attempts.record(launch) == before


def test_an_attempt_that_ended_before_its_start_is_not_begun_again(
    attempts: Attempts, server: Server, tmp_path: Path
) -> None:
    launch = attempts.describe("true", inputs=[{"name": "in", "path": str(tmp_path / "not yet")}])
    attempts.hand_over(launch)
    before = attempts.record(launch)
    assert before["reason"] == "staging"
    (tmp_path / "not yet").touch()
    attempts.hand_over(launch)
    attempts.told("ended", launch, 2)
    assert not attempts.file(launch, "started").exists()
    assert attempts.record(launch) == before


def test_a_barred_attempt_never_starts(attempts: Attempts) -> None:
    launch = attempts.describe("true")
    Path(launch["directory"]).mkdir(parents=True, mode=0o700)
    attempts.file(launch, "started").touch()
    attempts.hand_over(launch)
    attempts.told("ended", launch)
    assert sorted(path.name for path in Path(launch["directory"]).iterdir()) == ["lock", "started"]


def test_what_a_runner_that_died_while_staging_left_is_emptied(attempts: Attempts) -> None:
    launch = attempts.describe("ls; cat stale", outputs=["STDOUT.txt"])
    work = attempts.file(launch, "work")
    work.mkdir(parents=True)
    (work / "stale").write_text("stale")
    attempts.file(launch, "stdout").write_text("stale")
    attempts.hand_over(launch)
    record = attempts.record(launch)
    assert attempts.output(record, "STDOUT.txt") == b""


def test_a_runner_without_a_launcher_leaves_the_same_record(
    attempts: Attempts, run_alone: RunAlone
) -> None:
    launch = attempts.describe("echo alone")
    assert run_alone(launch).wait(10) == 0
    record = attempts.record(launch)
    assert record["status"] == "completed"
    assert attempts.output(record, "STDOUT.txt") == b"alone\n"


def test_a_parent_that_ignores_its_children_does_no_harm(
    attempts: Attempts, run_alone: RunAlone, tmp_path: Path
) -> None:
    """SIGCHLD ignored is inherited, and would have the kernel swallow the command's exit code."""
    launch = attempts.describe("exit 3")
    path = tmp_path / "launch.json"
    runner: dict[str, Any] = {}

    def ignoring() -> None:
        import signal

        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    runner["process"] = run_alone(launch, preexec_fn=ignoring)
    assert runner["process"].wait(10) == 0
    assert attempts.record(launch)["exit_code"] == 3
    assert not path.exists()


def test_nothing_is_synced_above_a_folder_that_is_on_disk_already() -> None:
    assert above("/jobs/4f/4f6c.1/started", 3) == ["/jobs/4f/4f6c.1", "/jobs/4f", "/jobs"]
    assert above("/jobs/4f/4f6c.1/started", 3, "/jobs/4f") == ["/jobs/4f/4f6c.1", "/jobs/4f"]
    assert above("/jobs/4f/4f6c.1/started", 2, "/other") == ["/jobs/4f/4f6c.1", "/jobs/4f"]


def test_a_service_has_every_folder_of_attempts_on_disk_before_it_hands_one_over(
    tmp_path: Path,
) -> None:
    make_shards(tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [
        f"{number:02x}" for number in range(256)
    ]
    (tmp_path / "4f").rmdir()
    make_shards(tmp_path)
    assert (tmp_path / "4f").is_dir()
