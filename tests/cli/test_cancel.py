from __future__ import annotations

from cli.conftest import User
from kotta import JobState


def test_what_runs_is_ended(user: User) -> None:
    job = user.running(executable="sleep 60", jobname="to be ended")
    result = user.kotta("cancel", job)
    assert (result.code, result.err) == (0, "")
    assert result.out.split("\t")[0] == job
    assert user.client.wait(job)[0].status is JobState.CANCELLED


def test_cancelling_twice_is_the_same_as_once(user: User) -> None:
    job = user.running(executable="sleep 60")
    user.client.cancel(job)
    user.client.wait(job)
    again = user.quick("cancel", job)
    assert (again.code, again.out) == (0, f"{job}\tcancelled\n")


def test_what_has_ended_cannot_be_cancelled(user: User) -> None:
    job = user.done(executable="true")
    result = user.kotta("cancel", job)
    assert (result.code, result.out) == (1, "")
    assert "has completed already" in result.err


def test_of_several_those_that_can_be_are_cancelled(user: User) -> None:
    ended, running = user.done(executable="true"), user.running(executable="sleep 60")
    result = user.quick("cancel", ended, running)
    assert result.code == 1
    assert result.out.split("\t")[0] == running
    assert "already" in result.err


def test_a_job_that_is_not_there_stops_it_before_anything_is_cancelled(user: User) -> None:
    job = user.running(executable="sleep 60")
    assert user.quick("cancel", job, "no such job").code == 1
    assert user.client.status(job).cancel_requested_at is None


def test_json_is_the_job(user: User) -> None:
    job = user.running(executable="sleep 60")
    assert user.quick("cancel", job, "--json").json["id"] == job


def test_on_a_terminal_it_is_told_in_a_sentence(user: User) -> None:
    job = user.running(executable="sleep 60", jobname="told")
    window = user.window("cancel", job)
    assert window.end() == 0
    assert window.lines[0] in (
        f"told ({job[:8]}) is being ended",
        f"■ told ({job[:8]}) is cancelled",
    )
