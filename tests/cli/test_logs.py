from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator

import pytest
from library.stand_in import A_JOB_ID, Reply, Request, StandIn, a_job, as_json
from waiting import wait_until

from cli.conftest import KOTTA, User
from kotta import JobState, feed


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


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_following_leaves_with_its_reader_though_nothing_comes(user: User, stream: str) -> None:
    job = user.running(executable="echo first; echo first >&2; sleep 60")
    with subprocess.Popen(
        [KOTTA, "logs", "-f", "--stream", stream, job],
        env=user.environment,
        text=True,
        **{"stdout": subprocess.DEVNULL, stream: subprocess.PIPE},
    ) as follow:
        read = follow.stdout if stream == "stdout" else follow.stderr
        assert read is not None
        assert read.readline() == "first\n"
        read.close()
        assert follow.wait(10) == 141


def test_following_goes_on_where_only_what_it_does_not_write_is_unread(user: User) -> None:
    gate = user.home / "unread"
    job = user.running(executable=f"until [ -e {gate} ]; do sleep 0.05; done; echo last >&2")
    with subprocess.Popen(
        [KOTTA, "logs", "-f", "--stream", "stderr", job],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=user.environment,
        text=True,
    ) as follow:
        assert follow.stdout is not None
        assert follow.stderr is not None
        follow.stdout.close()
        gate.touch()
        assert follow.stderr.readline() == "last\n"
        assert follow.wait(20) == 0


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
    assert window.lines == [f"It wrote nothing; `kotta status {job[:8]}` shows its files."]


def test_an_unknown_stream_is_a_usage_error(user: User) -> None:
    result = user.quick("logs", "@last", "--stream", "sdterr")
    assert result.code == 2
    assert "did you mean `stderr`?" in result.err


def test_some_lines_before_the_end_can_be_asked_for(user: User) -> None:
    job = user.done(executable="seq 100; echo err >&2")
    result = user.kotta("logs", job, "--tail", "2")
    assert (result.out, result.err) == ("99\n100\n", "err\n")
    assert user.quick("logs", "-n", "0", job).out == ""
    assert user.quick("logs", job, "-n", "-1").code == 2


def test_what_was_written_since_a_moment_can_be_asked_for(user: User) -> None:
    job = user.done(executable="echo early; sleep 1.2; echo late")
    samples = user.client.usage(job).samples
    half = next(sample for sample in samples if sample.stdout_bytes == 6)
    assert user.quick("logs", job, "--since", half.at.isoformat()).out == "late\n"
    assert user.quick("logs", job, "--since", "1h").out == "early\nlate\n"
    wrong = user.quick("logs", job, "--since", "yesterday")
    assert (wrong.code, wrong.out) == (2, "")


def test_one_can_go_on_at_a_byte_of_one_stream(user: User) -> None:
    job = user.done(executable="printf 0123456789")
    assert user.quick("logs", job, "--stream", "stdout", "--offset", "7").out == "789"
    for more in ((), ("--stream", "stdout", "--tail", "1")):
        result = user.quick("logs", job, "--offset", "7", *more)
        assert (result.code, result.out) == (2, "")
        assert "--stream stdout" in result.err


def test_lines_of_several_jobs_say_whose_they_are_in_a_pipe(user: User) -> None:
    one = user.done(executable="printf 'a\\nb'; echo e >&2")
    two = user.done(executable="echo c")
    result = user.kotta("logs", one, two)
    assert result.out == f"{one}\ta\n{one}\tb\n{two}\tc\n"
    assert result.err == f"{one}\te\n"


def test_the_jobs_of_an_array_come_by_index_and_those_of_a_set_newest_first(user: User) -> None:
    tag = "by-index"
    first = user.done(executable="echo first", jobname=f"{tag}-first", tags=tag)
    jobs = user.client.submit_many(
        [
            {
                "executable": "echo {n}",
                "jobname": tag,
                "tags": [tag],
                "array": [{"n": "a"}, {"n": "b"}],
            }
        ]
    )
    user.client.wait(jobs)
    ids = [job.id for job in jobs]
    assert user.quick("logs", tag).lines == [f"{ids[0]}\ta", f"{ids[1]}\tb"]
    said = [line.split("\t")[0] for line in user.quick("logs", f"tag={tag}").lines]
    assert said == [*ids, first]
    assert [job["id"] for job in user.quick("wait", tag, "--json").json] == ids


@pytest.mark.parametrize("columns", [60, 120])
def test_lines_of_several_jobs_say_whose_they_are_on_a_terminal(user: User, columns: int) -> None:
    said = r"10%%\r100%%\n\033[2J\033[32mgreen\n"
    one = user.done(executable=f"printf '{said}'", jobname="fit")
    two = user.done(executable="echo c", jobname="a name longer than 20 characters")
    window = user.window("logs", one, two, columns=columns)
    assert window.end() == 0
    assert window.lines == [
        f"{one[:8]} fit                  | 100%",
        f"{one[:8]} fit                  | green",
        f"{two[:8]} a name longer than 2 | c",
    ]
    assert window.color_of("green") == "green"
    assert window.color_of("c") != "green"


def test_several_jobs_are_followed_at_once_to_the_end_of_all(user: User) -> None:
    gate = user.home / "gate-of-three"
    wait = f"until [ -e {gate} ]; do sleep 0.05; done"
    done = user.done(executable="echo done", tags="three")
    jobs = [user.running(executable=f"echo {n}; {wait}; echo end {n}", tags="three") for n in "ab"]
    follow = subprocess.Popen(
        [KOTTA, "logs", "-f", "tag=three"],
        stdout=subprocess.PIPE,
        env=user.environment,
        text=True,
    )
    assert follow.stdout is not None
    lines = {follow.stdout.readline() for _ in range(3)}
    assert lines == {f"{jobs[0]}\ta\n", f"{jobs[1]}\tb\n", f"{done}\tdone\n"}
    gate.touch()
    assert sorted(follow.stdout) == sorted([f"{jobs[0]}\tend a\n", f"{jobs[1]}\tend b\n"])
    assert follow.wait(20) == 0
    follow.stdout.close()


def test_a_job_that_is_started_again_is_followed_into_its_next_attempt(user: User) -> None:
    # the shell's parent is its runner
    kill = '[ "$KOTTA_ATTEMPT" = 2 ] || { kill -9 $PPID; exec sleep 60; }'
    job = user.submit(executable=f"echo try $KOTTA_ATTEMPT; sleep 0.3; {kill}", retries=1)
    wait_until(lambda: b"".join(user.client.logs(job)) == b"try 1\n")
    assert user.kotta("logs", "-f", job).out.endswith("try 2\n")
    assert user.quick("logs", job).out == "try 2\n"
    assert user.quick("logs", job, "--attempt", "1").out == "try 1\n"
    assert "no attempt 3" in user.quick("logs", job, "--attempt", "3").err


def test_ctrl_c_leaves_a_terminal_without_the_colours_of_the_job(user: User) -> None:
    job = user.running(executable="printf '\\033[31mred'; printf '\\033[35mpink' >&2; sleep 60")
    window = user.window("logs", "-f", job)
    window.until("red", "pink")
    window.interrupt()
    assert window.end() == 130
    assert window.raw.endswith("\x1b[0m")


CONTENT = random.Random(7).randbytes(30_000)


@pytest.fixture
def cutting(user: User) -> Iterator[StandIn]:
    """A service whose answers are cut at random bytes, or do not come at all."""
    chance = random.Random(3)

    def answer(request: Request) -> Reply | None:
        if request.path == "/jobs/select":
            return as_json({"jobs": [a_job()]})
        assert request.path.startswith(f"/jobs/{A_JOB_ID}/logs/")
        content = CONTENT if request.path.endswith("stdout") else b""
        offset = int(request.query["offset"][0])
        piece = content[offset : offset + chance.randrange(5000)]
        headers = {"Kotta-Next-Offset": str(offset + len(piece))}
        if offset + len(piece) == len(content):
            headers["Kotta-Log-Ended"] = "true"
        how = chance.randrange(3)
        if how == 0:
            return None
        return Reply(piece, 200, headers, chance.randrange(len(piece) + 1) if how == 1 else None)

    with StandIn() as server:
        server.answer = answer
        yield server


def test_a_broken_connection_costs_and_repeats_no_byte(user: User, cutting: StandIn) -> None:
    done = user.bytes_of("--server", cutting.address, "logs", "-f", A_JOB_ID)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == CONTENT


@pytest.mark.parametrize("words", [("-f",), ()])
def test_a_connection_that_is_lost_for_good_is_an_error_that_says_how_to_go_on(
    user: User, stand_in_gone: StandIn, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(feed, "AWAY_SECONDS", 0.1)
    result = user.quick("logs", A_JOB_ID, *words, KOTTA_SERVER=stand_in_gone.address)
    assert (result.code, result.out) == (1, "so far")
    assert result.err.startswith("error: the output is not complete: no answer from http://127")
    way = " ".join(["logs", *words, A_JOB_ID, "--stream", "stdout", "--offset", "6"])
    assert f"hint: go on with: kotta {way}" in result.err


@pytest.fixture
def stand_in_gone() -> Iterator[StandIn]:
    """A service that goes away in the middle of a log."""

    def answer(request: Request) -> Reply | None:
        if request.path == "/jobs/select":
            return as_json({"jobs": [a_job()]})
        if request.path.endswith("stdout") and request.query["offset"] == ["0"]:
            return Reply(b"so far", 200, {"Kotta-Next-Offset": "6"})
        return None

    with StandIn() as server:
        server.answer = answer
        yield server


def test_too_many_jobs_are_not_followed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kotta_cli.job_output.MAX_FOLLOWED", 0)
    result = user.quick("logs", "-f", user.running(executable="sleep 60"))
    assert (result.code, result.out) == (2, "")
    assert "1 open jobs, and 0 can be followed at once" in result.err
