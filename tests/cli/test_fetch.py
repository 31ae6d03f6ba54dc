from __future__ import annotations

import pytest

from cli.conftest import User


@pytest.fixture(scope="module")
def made(lasting: User) -> str:
    return lasting.done(
        executable="echo a > a.csv; echo b > b.csv; echo c > c.txt",
        jobname="fetch test",
        outputs="a.csv, b.csv, c.txt",
    )


@pytest.fixture(scope="module")
def incomplete(lasting: User) -> str:
    return lasting.done(executable="echo a > a.csv", outputs="a.csv, missing.csv")


def test_all_outputs_arrive_in_a_folder_of_the_jobs_name(user: User, made: str) -> None:
    result = user.kotta("fetch", made)
    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        f"{made}/{name}" for name in ("a.csv", "b.csv", "c.txt", "STDOUT.txt", "STDERR.txt")
    ]
    assert (user.home / made / "a.csv").read_text() == "a\n"


def test_some_can_be_chosen_by_name_or_pattern(user: User, made: str) -> None:
    result = user.quick("fetch", made, "*.csv", "-o", "chosen")
    assert (result.code, result.lines) == (0, ["chosen/a.csv", "chosen/b.csv"])
    assert user.quick("fetch", made, "c.txt", "-o", "chosen").lines == ["chosen/c.txt"]


def test_a_second_time_nothing_is_brought_and_all_is_there(user: User, made: str) -> None:
    user.quick("fetch", made, "-o", "twice")
    again = user.quick("fetch", made, "-o", "twice", "--json")
    assert (again.code, again.json["fetched"]) == (0, [])
    assert "a.csv" in again.json["already_there"]
    assert "twice/a.csv" in user.quick("fetch", made, "-o", "twice").lines


def test_a_different_file_is_not_replaced_unless_forced(user: User, made: str) -> None:
    (user.home / "own").mkdir()
    (user.home / "own/a.csv").write_text("mine\n")
    result = user.quick("fetch", made, "-o", "own")
    assert result.code == 1
    assert "--force replaces it" in result.err
    assert (user.home / "own/a.csv").read_text() == "mine\n"
    assert user.quick("fetch", made, "-o", "own", "--force").code == 0
    assert (user.home / "own/a.csv").read_text() == "a\n"


def test_outputs_that_are_not_available_are_named_and_exit_with_one(
    user: User, incomplete: str
) -> None:
    result = user.kotta("fetch", incomplete, "-o", "some")
    assert result.code == 1
    assert result.lines == ["some/a.csv", "some/STDOUT.txt", "some/STDERR.txt"]
    assert result.err == "✗ missing.csv is not available: the job did not make it\n"


def test_what_was_asked_for_and_arrived_is_enough(user: User, incomplete: str) -> None:
    assert user.quick("fetch", incomplete, "a.csv", "-o", "enough").code == 0
    assert user.quick("fetch", incomplete, "missing.csv", "-o", "enough").code == 1


def test_an_output_that_was_never_declared_is_an_error(user: User, made: str) -> None:
    result = user.quick("fetch", made, "nonsense.txt")
    assert (result.code, result.out) == (1, "")
    assert "its outputs: a.csv, b.csv, c.txt" in result.err


def test_a_job_that_still_runs_has_nothing_yet(user: User) -> None:
    job = user.running(executable="sleep 60", outputs="later.txt")
    result = user.quick("fetch", job)
    assert (result.code, result.out) == (1, "")
    assert f"`kotta wait {job}` waits for its end." in result.err


def test_json_tells_what_became_of_each_output(user: User, incomplete: str) -> None:
    result = user.quick("fetch", incomplete, "-o", "told", "--json")
    assert (result.code, result.err) == (1, "")
    assert result.json == {
        "directory": str(user.home / "told"),
        "fetched": ["a.csv", "STDOUT.txt", "STDERR.txt"],
        "already_there": [],
        "unavailable": ["missing.csv"],
    }


def test_bars_show_each_file_and_the_total_on_a_terminal(user: User) -> None:
    job = user.done(
        executable="truncate -s 150M one.bin; truncate -s 50M two.bin",
        outputs="one.bin, two.bin",
    )
    window = user.window("fetch", job, "-o", "bars", columns=100)
    window.until("total", "one.bin", "/200.0 MiB")
    assert window.end() == 0
    assert window.lines == [
        f"bars/{name}" for name in ("one.bin", "two.bin", "STDOUT.txt", "STDERR.txt")
    ]


def test_bars_show_uploads_on_a_terminal(user: User) -> None:
    with (user.home / "large.bin").open("wb") as file:
        file.truncate(100 << 20)
    user.describe("upload.json", executable="ls", inputs="large.bin")
    window = user.window("submit", "upload.json", columns=100)
    window.until("large.bin", "/100.0 MiB")
    assert window.end() == 0
