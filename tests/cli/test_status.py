from __future__ import annotations

import re

import pytest

from cli.conftest import User


@pytest.fixture(scope="module")
def failed(lasting: User) -> str:
    return lasting.done(
        executable="echo made > made.txt; exit 3",
        jobname="status test",
        outputs="made.txt, missing.txt",
        tags="a, b",
        user_email="me@example.org",
    )


def test_json_of_one_job_is_one_object(user: User, failed: str) -> None:
    detail = user.quick("status", failed, "--json").json
    assert (detail["id"], detail["status"], detail["exit_code"]) == (failed, "failed", 3)
    assert detail["submitted_at"].endswith("Z")
    assert isinstance(detail["processing_seconds"], float)
    assert [step["status"] for step in detail["timeline"]] == [
        "pending",
        "staging_inputs",
        "processing",
        "staging_outputs",
        "failed",
    ]


def test_json_tells_what_was_used_of_what_was_asked_for(user: User, failed: str) -> None:
    used = user.quick("status", failed, "--json").json["right_size"]
    assert used["walltime_minutes"]["asked"] == 300
    assert 0 <= used["walltime_minutes"]["used"] < 1
    assert used["memory_mib"]["used"] > 1
    assert used["cpus"] == {"used": used["cpus"]["used"], "asked": 1, "suggested": None}
    running = user.running(executable="sleep 60")
    assert user.quick("status", running, "--json").json["right_size"] is None


def test_json_of_several_jobs_is_a_list(user: User, failed: str) -> None:
    other = user.done(executable="true")
    details = user.quick("status", failed, other, failed, "--json").json
    assert [detail["id"] for detail in details] == [failed, other]


def test_what_a_state_means_is_told_by_its_reason(user: User) -> None:
    first = user.running(executable="sleep 60")
    second = user.submit(executable="true", after=[first])

    def meaning(job: str) -> str:
        lines = user.quick("status", job).lines
        return next(line.strip() for line in lines if "Meaning: " in line)

    assert meaning(second) == "Meaning: It waits for what it comes after to complete."
    user.client.cancel(first)
    user.client.wait([first, second])
    assert meaning(first) == ("Meaning: It was cancelled, and nothing of it is left running.")
    assert meaning(second) == "Meaning: A job that it was to come after did not complete."


def test_in_a_pipe_every_fact_is_a_plain_complete_line(user: User, failed: str) -> None:
    result = user.kotta("status", failed)
    assert result.code == 0
    facts = dict(line.strip().split(": ", 1) for line in result.lines if ": " in line)
    assert facts["Name"] == "status test"
    assert facts["Status"] == "failed"
    assert facts["Meaning"] == "Its command failed: exit code 3."
    assert facts["Job"] == failed
    assert facts["Exit code"] == "3"
    assert facts["Owner"] == "me@example.org"
    assert facts["Tags"] == "a, b"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", facts["Submitted"])
    assert facts["made.txt"] == "available, 5 bytes"
    assert facts["missing.txt"] == "not available"
    for phase in ("pending", "staging_inputs", "processing", "staging_outputs"):
        assert re.fullmatch(r"\d+\.\d{3} s", facts[phase])
    states = re.findall(r"^  \S+Z: (\w+)(?:, \d+\.\d{3} s)?$", result.out, re.MULTILINE)
    assert states == ["pending", "staging_inputs", "processing", "staging_outputs", "failed"]
    assert re.fullmatch(
        r"\d\.\d{3} of 18000 s, \d+ of 1073741824 bytes, \S+ of 1 core", facts["Used"]
    )
    assert facts["Resources"] == "1 core, 1073741824 bytes, 18000 s of walltime"
    assert facts["Download"] == f"kotta fetch {failed}"
    assert result.out.isascii()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_on_a_terminal_it_fits_and_says_everything_in_words(
    user: User, failed: str, columns: int
) -> None:
    window = user.window("status", failed, columns=columns, rows=60)
    assert window.end() == 0
    assert window.lines[0] == "status test"
    assert window.lines[1] == "✗ failed  Its command failed: exit code 3."
    for said in (
        "Timeline",
        "of 5 h, ",
        "✓ available  5 B",
        "✗ not available",
        f"kotta fetch {failed[:8]}",
        f"kotta logs {failed[:8]}",
    ):
        assert said in window.text
    assert window.color_of("✗ failed") == "red"
    assert window.color_of("✓ available") == "green"


def test_a_running_job_is_told_with_what_can_be_done(user: User) -> None:
    job = user.running(executable="sleep 60", jobname="running on")
    window = user.window("status", job, rows=60)
    assert window.end() == 0
    for said in ("not available yet", f"kotta wait {job[:8]}", f"kotta cancel {job[:8]}"):
        assert said in window.text


def test_a_job_is_found_by_prefix_name_and_last(user: User) -> None:
    job = user.done(executable="true", jobname="found by name")
    for selector in (job, job[:13], "found by name", "@last"):
        assert user.quick("status", selector, "--json").json["id"] == job


def test_a_name_that_fits_several_jobs_lists_them(user: User) -> None:
    jobs = {user.done(executable="true", jobname="twins") for _ in range(2)}
    result = user.quick("status", "twins")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: `twins` means 2 jobs\n")
    assert set(re.findall(r"^  (\S{36})  twins  completed$", result.err, re.MULTILINE)) == jobs


def test_a_job_that_is_not_there_is_an_error(user: User) -> None:
    result = user.kotta("status", "no such job")
    assert (result.code, result.out) == (1, "")
    assert "`no such job`" in result.err
    assert user.kotta("status", "no such job", "--json").code == 1


def test_signs_and_bars_are_ascii_where_the_locale_is_not_utf8(user: User, failed: str) -> None:
    window = user.window("status", failed, rows=60, LANG="C", LC_ALL="C", PYTHONUTF8="0")
    assert window.end() == 0
    assert window.lines[1] == "x failed  Its command failed: exit code 3."
    assert window.text.isascii()


def test_nothing_of_a_job_can_control_the_terminal(user: User) -> None:
    job = user.done(
        executable="true # \x1b[2J\x1b]0;owned\x07 \u202e", jobname="[red]not markup[/]"
    )
    window = user.window("status", job, rows=60)
    assert window.end() == 0
    assert window.lines[0] == "[red]not markup[/]"
    assert not re.search("\x1b\\[2J|\x1b\\]|\u202e", window.raw)
