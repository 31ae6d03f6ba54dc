from __future__ import annotations

import pytest

from cli.conftest import User


@pytest.fixture(scope="module")
def made(lasting: User) -> str:
    return lasting.done(
        executable="echo a > a.csv; echo b > b.csv", outputs="a.csv, b.csv, never.csv"
    )


def test_one_file_is_called_as_one_says(user: User, made: str) -> None:
    result = user.kotta("cp", f"{made}:a.csv", "named/today.csv")
    assert (result.code, result.lines, result.err) == (0, ["named/today.csv"], "")
    assert (user.home / "named/today.csv").read_text() == "a\n"
    assert [path.name for path in (user.home / "named").iterdir()] == ["today.csv"]


def test_one_file_goes_into_a_folder_by_its_own_name(user: User, made: str) -> None:
    (user.home / "there").mkdir()
    assert user.quick("cp", f"{made}:a.csv", "there").lines == ["there/a.csv"]
    assert user.quick("cp", f"{made}:b.csv", "made/").lines == ["made/b.csv"]


def test_several_go_into_a_folder(user: User, made: str) -> None:
    result = user.quick("cp", f"{made}:[ab].csv", f"{made}:STDOUT.txt", "several", "--json")
    assert result.code == 0
    assert [(each["name"], each["size_bytes"]) for each in result.json] == [
        ("a.csv", 2),
        ("b.csv", 2),
        ("STDOUT.txt", 0),
    ]
    assert result.json[0]["path"] == str(user.home / "several/a.csv")


def test_a_different_file_is_replaced_only_if_forced(user: User, made: str) -> None:
    (user.home / "mine.csv").write_text("mine\n")
    refused = user.quick("cp", f"{made}:a.csv", "mine.csv")
    assert refused.code == 1
    assert "hint: --force replaces it; or name another place\n" in refused.err
    assert (user.home / "mine.csv").read_text() == "mine\n"
    assert user.quick("cp", f"{made}:a.csv", "mine.csv", "--force").code == 0
    assert (user.home / "mine.csv").read_text() == "a\n"


def test_two_files_of_one_name_are_refused(user: User, made: str) -> None:
    other = user.done(executable="echo c > a.csv", outputs="a.csv")
    result = user.quick("cp", f"{made}:a.csv", f"{other}:a.csv", "both")
    assert result.code == 2
    assert "have both made `a.csv`" in result.err
    assert not (user.home / "both").exists()


def test_a_file_that_was_not_made_is_an_error(user: User, made: str) -> None:
    result = user.quick("cp", f"{made}:never.csv", "never")
    assert result.code == 1
    assert "has not made `never.csv`" in result.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["a.csv", "@last:"], "kotta upload FILE"),
        (["a.csv", "b.csv"], "without `kotta`"),
        (["@last:a.csv", "-"], "kotta cat"),
        (["@last:a.csv", "@2:x"], "kotta upload FILE"),
    ],
)
def test_other_directions_are_refused_with_what_to_type(
    user: User, words: list[str], hint: str
) -> None:
    result = user.quick("cp", *words)
    assert (result.code, result.out) == (2, "")
    assert hint in result.err
