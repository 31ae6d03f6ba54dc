from __future__ import annotations

import hashlib

from cli.conftest import User


def test_the_url_of_each_file_is_an_input_of_a_job(user: User) -> None:
    (user.home / "up one.txt").write_text("one\n")
    (user.home / "two.txt").write_text("two\n")
    result = user.kotta("upload", "up one.txt", "two.txt")
    sha256 = hashlib.sha256(b"one\n").hexdigest()
    assert (result.code, result.err) == (0, "")
    assert result.lines[0] == f"kotta://uploads/{sha256}/up%20one.txt"
    job = user.done(executable="cat 'up one.txt' two.txt", inputs=result.lines)
    assert user.quick("cat", f"{job}:STDOUT.txt").out == "one\ntwo\n"


def test_a_content_is_sent_once_whatever_it_is_called(user: User) -> None:
    for name in ("same-1", "same-2"):
        (user.home / name).write_text("the same in both\n")
    first = user.quick("upload", "same-1", "same-2", "--json").json
    assert [each["sent"] for each in first] == [True, False]
    assert len({each["sha256"] for each in first}) == 1
    again = user.quick("upload", "same-2", "--json").json
    assert [(each["file"], each["sent"], each["size_bytes"]) for each in again] == [
        ("same-2", False, 17)
    ]


def test_a_file_that_is_not_there_sends_nothing(user: User) -> None:
    (user.home / "there.txt").write_text("there, and alone\n")
    result = user.quick("upload", "there.txt", "not-there.txt")
    assert (result.code, result.out) == (1, "")
    assert "not-there.txt cannot be read" in result.err
    assert user.quick("upload", "there.txt", "--json").json[0]["sent"] is True


def test_bars_show_files_on_their_way(user: User) -> None:
    with (user.home / "wide.bin").open("wb") as file:
        file.truncate(120 << 20)
    window = user.window("upload", "wide.bin", columns=100)
    window.until("wide.bin", "/120.0 MiB")
    assert window.end() == 0
