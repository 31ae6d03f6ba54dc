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
        "job": incomplete,
        "directory": str(user.home / "told"),
        "fetched": ["a.csv", "STDOUT.txt", "STDERR.txt"],
        "already_there": [],
        "unavailable": ["missing.csv"],
    }


@pytest.fixture(scope="module")
def several(lasting: User) -> list[str]:
    """Two jobs of one name, of which the second has made one file more."""
    return [
        lasting.done(executable="echo 1 > n.csv", jobname="fetch-many", outputs="n.csv"),
        lasting.done(
            executable="echo 2 > n.csv; echo 3 > more.csv",
            jobname="fetch-many",
            outputs="n.csv, more.csv",
        ),
    ]


def test_of_many_jobs_each_gets_a_folder_of_its_own(user: User, several: list[str]) -> None:
    result = user.kotta("fetch", "fetch-m*", "*.csv", "-o", "many")
    assert (result.code, result.err) == (0, "")
    first, second = several
    wanted = {f"many/{first}/n.csv", f"many/{second}/n.csv", f"many/{second}/more.csv"}
    assert set(result.lines) == wanted
    assert (user.home / "many" / first / "n.csv").read_text() == "1\n"
    assert (user.home / "many" / second / "n.csv").read_text() == "2\n"


def test_jobs_can_be_named_one_by_one(user: User, several: list[str]) -> None:
    first, second = several
    result = user.quick("fetch", first, "-j", second, "n.csv", "-o", "pair", "--json")
    assert result.code == 0
    assert [each["job"] for each in result.json] == [first, second]
    assert [each["fetched"] for each in result.json] == [["n.csv"], ["n.csv"]]


def test_a_name_that_only_some_of_many_jobs_have_is_told_of(user: User, several: list[str]) -> None:
    result = user.quick("fetch", "fetch-m*", "more.csv", "-o", "some-of-many")
    assert result.code == 1
    assert result.lines == [f"some-of-many/{several[1]}/more.csv"]
    assert f"{several[0]}: not available, as the job did not make it: more.csv" in result.err


def test_verify_compares_and_brings_nothing(user: User, made: str) -> None:
    user.quick("fetch", made, "-o", "checked")
    assert user.kotta("fetch", made, "-o", "checked", "--verify").code == 0
    (user.home / "checked/a.csv").write_text("b\n")
    (user.home / "checked/b.csv").unlink()
    result = user.quick("fetch", made, "*.csv", "-o", "checked", "--verify")
    assert (result.code, result.err) == (1, "")
    assert result.lines == ["checked/a.csv\tdifferent", "checked/b.csv\tmissing"]
    told = user.quick("fetch", made, "-o", "checked", "--verify", "--json").json
    assert (told["different"], told["missing"]) == (["a.csv"], ["b.csv"])
    assert "c.txt" in told["intact"]


def test_verify_names_what_the_job_did_not_make(user: User, incomplete: str) -> None:
    result = user.quick("fetch", incomplete, "missing.csv", "--verify")
    assert (result.code, result.lines) == (1, [f"{incomplete}/missing.csv\tunavailable"])


def test_a_dash_writes_the_bytes_of_one_file_to_stdout(user: User) -> None:
    job = user.done(executable="printf '\\033[2Jred\\000\\377' > odd.bin", outputs="odd.bin")
    done = user.bytes_of("fetch", job, "odd.bin", "-o", "-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\x1b[2Jred\0\xff", b"")
    assert not (user.home / "-").exists()


@pytest.mark.parametrize("words", [[], ["*.csv"], ["a.csv", "--json"], ["a.csv", "--verify"]])
def test_stdout_takes_one_file_and_nothing_else(user: User, made: str, words: list[str]) -> None:
    result = user.quick("fetch", made, *words, "-o", "-")
    assert (result.code, result.out) == (2, "")


def test_ctrl_c_keeps_what_has_come_and_says_so(user: User) -> None:
    job = user.done(executable="truncate -s 600M huge.bin", outputs="huge.bin")
    window = user.window("fetch", job, "huge.bin", "-o", "cut", columns=100)
    window.until("huge.bin", "/600.0 MiB")
    window.interrupt()
    assert window.end() == 130
    assert "What has come is kept" in window.text
    left = sorted(path.name.rpartition(".")[2] for path in (user.home / "cut").iterdir())
    assert left == ["have", "part"]
    assert user.kotta("fetch", job, "huge.bin", "-o", "cut").code == 0
    assert [path.name for path in (user.home / "cut").iterdir()] == ["huge.bin"]
    (user.home / "cut/huge.bin").unlink()


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
