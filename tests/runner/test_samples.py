"""Jobs as the first users described them, and how their commands find the world."""

from __future__ import annotations

import hashlib
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import Attempts, Server


def outputs(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {output["name"]: output for output in record["outputs"]}


def test_a_script_writes_its_file(attempts: Attempts) -> None:
    record = attempts.run(
        "/bin/bash test.sh",
        script={"name": "test.sh", "text": "#!/bin/bash \n echo Hello World &> foo.txt "},
        outputs=["foo.txt", "test.sh", "STDOUT.txt", "STDERR.txt"],
    )
    assert (record["status"], record["reason"], record["exit_code"]) == ("completed", "exit", 0)
    assert attempts.output(record, "foo.txt") == b"Hello World\n"
    foo = outputs(record)["foo.txt"]
    assert foo["available"] is True
    assert foo["size_bytes"] == 12
    assert foo["sha256"] == hashlib.sha256(b"Hello World\n").hexdigest()
    assert [output["name"] for output in record["outputs"]] == [
        "foo.txt",
        "test.sh",
        "STDOUT.txt",
        "STDERR.txt",
    ]


def test_a_command_without_its_script_runs(attempts: Attempts) -> None:
    record = attempts.run(
        "/bin/echo 'Hello World!'", outputs=["none.sh", "STDOUT.txt", "STDERR.txt"]
    )
    assert record["status"] == "completed"
    assert attempts.output(record, "STDOUT.txt") == b"Hello World!\n"
    assert outputs(record)["none.sh"] == {
        "name": "none.sh",
        "available": False,
        "size_bytes": None,
        "sha256": None,
    }


def test_a_python_script_reads_its_input(attempts: Attempts, server: Server) -> None:
    record = attempts.run(
        "python3 count.py",
        script={"name": "count.py", "text": "print(len(open('good').read()))"},
        inputs=[{"name": "good", "url": server.url("good")}],
    )
    assert record["error"] == ""
    assert attempts.output(record, "STDOUT.txt") == b"%d\n" % len(server.body)
    assert record["staging_inputs_seconds"] > 0


def test_the_record_of_a_job_is_complete(attempts: Attempts) -> None:
    launch = attempts.describe("sleep 0.2")
    attempts.hand_over(launch)
    record = attempts.record(launch)
    assert record["format"] == 1
    assert (record["job_id"], record["attempt"]) == (launch["job_id"], 1)
    assert list(record["timeline"]) == ["staging_inputs", "processing", "staging_outputs", "ended"]
    assert list(record["timeline"].values()) == sorted(record["timeline"].values())
    assert 0.2 <= record["processing_seconds"] < 5
    assert record["signal"] is None
    assert record["cpu_seconds"] >= 0
    assert record["peak_memory_bytes"] > 0
    assert not attempts.file(launch, "phase.json.new").exists()
    assert attempts.told("ended", launch) == [{"job_id": launch["job_id"], "attempt": 1}]


@pytest.mark.parametrize("code", [1, 3, 255])
def test_an_exit_code_fails_the_job_and_keeps_its_outputs(attempts: Attempts, code: int) -> None:
    record = attempts.run(f"echo kept; exit {code}")
    assert (record["status"], record["reason"], record["exit_code"]) == ("failed", "exit", code)
    assert attempts.output(record, "STDOUT.txt") == b"kept\n"


def test_a_signal_is_named(attempts: Attempts) -> None:
    record = attempts.run("kill -SEGV $$")
    assert record["exit_code"] is None
    assert record["signal"] == signal.SIGSEGV
    assert "SIGSEGV" in record["error"]


def test_a_signalled_child_of_the_shell_is_an_exit_code(attempts: Attempts) -> None:
    record = attempts.run("sh -c 'kill -9 $$'; exit $?")
    assert (record["exit_code"], record["signal"]) == (137, None)


def test_a_missing_executable_is_told_by_the_shell(attempts: Attempts) -> None:
    record = attempts.run("no-such-program --help")
    assert (record["status"], record["exit_code"]) == ("failed", 127)
    assert b"no-such-program" in attempts.output(record, "STDERR.txt")


def test_a_script_from_windows_runs(attempts: Attempts) -> None:
    record = attempts.run(
        "./dos.sh", script={"name": "dos.sh", "text": "#!/bin/sh\r\necho one\r\necho two\r\n"}
    )
    assert attempts.output(record, "STDOUT.txt") == b"one\ntwo\n"


def test_a_script_has_the_mode_of_a_program(attempts: Attempts) -> None:
    record = attempts.run(
        "stat -c %a run.sh", script={"name": "run.sh", "text": "#!/bin/sh\r\necho one\r\n"}
    )
    assert attempts.output(record, "STDOUT.txt") == b"755\n"


def test_both_streams_of_one_name_share_a_file(attempts: Attempts) -> None:
    record = attempts.run(
        "echo one; echo two >&2; echo three",
        outputs=["all.txt"],
        stdout="all.txt",
        stderr="all.txt",
    )
    assert attempts.output(record, "all.txt") == b"one\ntwo\nthree\n"


def test_the_environment_is_what_was_asked_for_and_nothing_else(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = attempts.describe("/usr/bin/env", environment={"PATH": "/usr/bin", "MINE": "é"})
    launch["service"] = {"address": "unix:/nonexistent", "token": "a-secret"}
    attempts.hand_over(launch)
    record = attempts.record(launch)
    lines = attempts.output(record, "STDOUT.txt").decode().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    found.pop("PWD", None)  # set by the shell
    assert found == {
        "PATH": "/usr/bin",
        "MINE": "é",
        "KOTTA_JOB_ID": launch["job_id"],
        "TURING_JOB_ID": launch["job_id"],
        "KOTTA_ATTEMPT": "1",
        "KOTTA_TAG": f"{launch['job_id']}/1",
    }


def test_the_command_starts_as_from_a_shell(attempts: Attempts) -> None:
    """Its own session, an empty stdin, the usual umask, default signals, no stray descriptors."""
    script = """
import os, signal, stat
print(os.getsid(0) == os.getppid() or os.getsid(0) == os.getpid())
print(os.read(0, 1))
print(oct(os.umask(0)))
blocked = [line.split()[1] for line in open('/proc/self/status') if line.startswith('SigBlk')]
print(int(blocked[0], 16))
# Python ignores these two for itself, at its start: the shell says what it was given
ignored = [line.split()[1] for line in open('/proc/%d/status' % os.getppid()) if 'SigIgn' in line]
print(bool(int(ignored[0], 16) & 1 << signal.SIGPIPE - 1))
print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4])
print(os.path.basename(os.getcwd()))
"""
    record = attempts.run("python3 look.py; true", script={"name": "look.py", "text": script})
    lines = attempts.output(record, "STDOUT.txt").decode().splitlines()
    # descriptor 3 is the listing itself
    assert lines == ["True", "b''", "0o22", "0", "False", "[0, 1, 2, 3]", "work"]


def test_no_other_user_may_look(attempts: Attempts) -> None:
    launch = attempts.describe("echo x > made.txt; chmod 644 made.txt", outputs=["made.txt"])
    attempts.hand_over(launch)
    attempts.record(launch)
    folders = [Path(launch["directory"]), Path(launch["stage_out"]["directory"])]
    for folder in folders:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.rglob("*"):
            wanted = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path
