from __future__ import annotations

import re

from cli.conftest import User
from kotta import JobState

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_the_exit_code_is_the_jobs(user: User) -> None:
    job = user.submit(executable="sleep 0.3; exit 9")
    result = user.kotta("wait", job, "--quiet")
    assert (result.code, result.out, result.err) == (9, "", "")


def test_off_a_terminal_each_state_is_told_on_a_line_with_the_time(user: User) -> None:
    user.describe(executable="sleep 2", jobname="logged")
    result = user.kotta("submit", "job.json", "--wait")
    (job,) = result.lines
    first, *_, last = result.err.splitlines()
    assert re.fullmatch(rf"{TIME} {job} logged: (pending|staging_inputs|processing)", first)
    assert re.fullmatch(rf"{TIME} {job} logged: completed after 2\.\d+ s", last)


def test_off_a_terminal_many_jobs_are_counted(user: User) -> None:
    jobs = [user.submit(executable="true") for _ in range(12)]
    result = user.kotta("wait", *jobs)
    lines = result.err.splitlines()
    assert re.fullmatch(rf"{TIME} 12 of 12 ended: 12 completed", lines[-1])
    assert len(lines) <= 2


def test_of_several_jobs_the_largest_code_counts(user: User) -> None:
    jobs = [user.submit(executable=f"exit {code}") for code in (0, 5, 2)]
    assert user.quick("wait", *jobs).code == 5


def test_a_cancelled_job_gives_the_code_of_sigterm(user: User) -> None:
    job = user.running(executable="sleep 60")
    user.client.cancel(job)
    assert user.quick("wait", job).code == 143


def test_it_gives_up_after_the_timeout(user: User) -> None:
    job = user.running(executable="sleep 60")
    result = user.kotta("wait", job, "--timeout", "0.3")
    assert result.code == 124
    assert "\nerror: 1 of 1 jobs had not ended after 0.3 s" in result.err
    assert user.client.status(job).status is JobState.PROCESSING


def test_json_is_one_job_or_a_list(user: User) -> None:
    job = user.submit(executable="exit 2")
    result = user.quick("wait", job, "--json")
    assert (result.code, result.json["id"], result.json["exit_code"]) == (2, job, 2)
    assert [each["id"] for each in user.quick("wait", job, job, "--json").json] == [job]


def test_a_line_counts_several_jobs_on_a_terminal(user: User) -> None:
    jobs = [user.submit(executable="sleep 1.5", jobname=f"count {n}") for n in range(2)]
    window = user.window("wait", *jobs)
    window.until("···· 0 of 2 ended  2 processing")
    assert window.end() == 0
    assert [re.sub(r"[\d.]+ s", "N s", line) for line in window.lines] == [
        "✓ count 0 completed after N s",
        "✓ count 1 completed after N s",
    ]


def test_a_narrow_terminal_keeps_the_line_to_one_line(user: User) -> None:
    go_on = user.home / "go-on"
    command = f"until [ -e {go_on} ]; do sleep 0.1; done"
    job = user.submit(executable=command, jobname="a very long name " * 8)
    window = user.window("wait", job, columns=60)
    window.until("processing  a very long name", "…")
    assert len(window.lines) == 1
    go_on.touch()
    assert window.end() == 0


def test_ctrl_c_leaves_the_job_alone(user: User) -> None:
    job = user.running(executable="sleep 60")
    window = user.window("wait", job)
    window.until("processing")
    window.interrupt()
    assert window.end() == 130
    assert f"  kotta wait {job[:8]}    waits again" in window.lines
