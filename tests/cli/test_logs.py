from __future__ import annotations

import subprocess

from cli.conftest import KOTTA, User
from kotta import JobState


def test_each_stream_goes_to_its_own(user: User) -> None:
    job = user.done(executable="echo out; echo err >&2")
    result = user.kotta("logs", job)
    assert (result.code, result.out, result.err) == (0, "out\n", "err\n")


def test_one_stream_can_be_chosen(user: User) -> None:
    job = user.done(executable="echo out; echo err >&2")
    assert user.quick("logs", job, "--stream", "stdout").err == ""
    result = user.quick("logs", job, "--stream", "stderr")
    assert (result.out, result.err) == ("", "err\n")


def test_in_a_pipe_every_byte_is_passed_on(user: User) -> None:
    said = bytes(range(256)) * 20
    script = f"import sys; sys.stdout.buffer.write(bytes.fromhex('{said.hex()}'))"
    (user.home / "bytes.py").write_text(script)
    job = user.done(executable="python3 bytes.py", inputs=str(user.home / "bytes.py"))
    assert user.bytes_of("logs", job).stdout == said


def test_on_a_terminal_only_colours_are_left_of_control_sequences(user: User) -> None:
    said = r"\033[2J\033]0;owned\007\033[32mgreen\033[0m\ttab\007\n\033[5;5Hback\n\033[31mred"
    job = user.done(executable=f"printf '{said}'")
    window = user.window("logs", job)
    assert window.end() == 0
    assert [line.split() for line in window.lines] == [["green", "tab"], ["back"], ["red"]]
    assert window.color_of("green") == "green"
    assert "owned" not in window.raw
    assert window.raw.endswith("\x1b[0m")


def test_following_prints_as_it_comes_and_ends_with_the_job(user: User) -> None:
    gate = user.home / "gate"
    job = user.submit(
        executable=f"echo first; until [ -e {gate} ]; do sleep 0.05; done; echo last >&2"
    )
    follow = subprocess.Popen(
        [KOTTA, "logs", "-f", job],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=user.environment,
        text=True,
    )
    assert follow.stdout is not None
    assert follow.stderr is not None
    assert follow.stdout.readline() == "first\n"
    assert not user.client.status(job).status.is_terminal
    gate.touch()
    assert follow.stderr.readline() == "last\n"
    assert follow.wait(20) == 0
    follow.stdout.close()
    follow.stderr.close()


def test_following_one_stream_of_an_ended_job_prints_all_of_it(user: User) -> None:
    job = user.done(executable="seq 1000")
    assert user.kotta("logs", "-f", job, "--stream", "stdout").lines[-1] == "1000"


def test_ctrl_c_ends_following_and_not_the_job(user: User) -> None:
    job = user.running(executable="echo begun; sleep 60")
    window = user.window("logs", "-f", job)
    window.until("begun")
    window.interrupt()
    assert window.end() == 130
    assert user.client.status(job).status is JobState.PROCESSING


def test_on_a_terminal_silence_is_explained(user: User) -> None:
    job = user.done(executable="true")
    window = user.window("logs", job)
    assert window.end() == 0
    assert window.lines == ["Nothing written so far; the job is completed."]


def test_an_unknown_stream_is_a_usage_error(user: User) -> None:
    result = user.quick("logs", "@last", "--stream", "sdterr")
    assert result.code == 2
    assert "did you mean `stderr`?" in result.err
