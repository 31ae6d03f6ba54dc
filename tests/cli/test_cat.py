from __future__ import annotations

import pytest

from cli.conftest import User


@pytest.fixture(scope="module")
def made(lasting: User) -> str:
    return lasting.done(
        executable="echo a > a.csv; echo b > b.csv; printf 'red \\033[31m\\033[2J\\377' > odd",
        jobname="cat: a test",
        outputs="a.csv, b.csv, odd",
    )


def test_files_come_one_after_another_as_they_are(user: User, made: str) -> None:
    done = user.bytes_of("cat", f"{made}:*.csv", f"{made}:odd")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"a\nb\nred \x1b[31m\x1b[2J\xff"


def test_a_terminal_sees_no_control_sequences_but_colours(user: User, made: str) -> None:
    window = user.window("cat", f"{made}:odd")
    assert window.end() == 0
    assert "\x1b[31m" in window.raw
    assert "\x1b[2J" not in window.raw


@pytest.mark.parametrize("word", ["a.csv", ":a.csv", "x/y:a.csv", "@last:"])
def test_what_is_no_job_and_file_is_a_wrong_command_line(user: User, word: str) -> None:
    result = user.quick("cat", word)
    assert (result.code, result.out) == (2, "")
    assert "@last:STDOUT.txt" in result.err


def test_a_file_that_the_job_did_not_declare_is_an_error(user: User, made: str) -> None:
    result = user.quick("cat", f"{made}:a.cvs")
    assert (result.code, result.out) == (1, "")
    assert "did you mean `a.csv`?" in result.err


def test_a_file_that_the_job_did_not_make_is_an_error(user: User) -> None:
    job = user.done(executable="true", outputs="never.csv")
    result = user.quick("cat", f"{job}:never.csv")
    assert (result.code, result.out) == (1, "")
    assert "has not made `never.csv`" in result.err


def test_bytes_that_are_not_the_right_ones_are_an_error_at_the_end(user: User) -> None:
    job = user.done(executable="echo right > a.txt", outputs="a.txt")
    kept = next((user.home / ".data").rglob(f"outputs/*/{job}.1/a.txt"))
    kept.write_text("wrong\n")
    done = user.bytes_of("cat", f"{job}:a.txt")
    assert (done.returncode, done.stdout) == (1, b"wrong\n")
    assert b"what was written is wrong" in done.stderr
    assert user.quick("fetch", job, "a.txt", "-o", "wrong").code == 1
    assert not (user.home / "wrong/a.txt").exists()
