from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.conftest import User
from kotta._version import __version__
from kotta_cli import diagnosis_service
from kotta_cli.diagnosis import PROBLEM, without_secrets


@pytest.fixture
def somebody(idle_user: User) -> Iterator[User]:
    """Somebody whose service never ran, without settings."""
    _remove_settings(idle_user)
    yield idle_user
    _remove_settings(idle_user)


def _remove_settings(user: User) -> None:
    for name in (".config/kotta/config.toml", "kotta.toml"):
        (user.home / name).unlink(missing_ok=True)


def _findings(user: User, *words: str, **environment: str) -> dict[str, dict[str, Any]]:
    """What it finds, by the name of the check."""
    found = user.quick("doctor", "--json", *words, **environment).json
    return {each["check"]: each for each in found}


def test_where_nothing_is_wrong_it_exits_with_zero_and_starts_nothing(somebody: User) -> None:
    result = somebody.kotta("doctor")
    assert (result.code, result.err) == (0, "")
    rows = [line.split("\t") for line in result.lines]
    assert {row[0] for row in rows} <= {"ok", "note"}
    assert all(len(row) == 4 for row in rows)
    by_check = {row[1]: row[2] for row in rows}
    assert by_check["version"].startswith(f"kotta {__version__}, Python 3.")
    assert by_check["server"] == "the local service: nothing says otherwise"
    assert by_check["service"].startswith("not running")
    assert by_check["log"] == by_check["database"] == "not made yet"
    assert somebody.kotta("service", "status").code == 1


def test_with_a_service_it_tells_how_that_is(user: User) -> None:
    user.submit(executable="true")
    found = _findings(user)
    assert found["service"]["text"].startswith("answers in ")
    assert found["versions"] == {
        "check": "versions",
        "state": "ok",
        "text": f"service and command are both {__version__}",
        "advice": "",
    }
    assert "storage" not in found
    assert "kotta.db: " in found["database"]["text"]
    assert found["clock"]["state"] == "ok"


def test_it_starts_the_service_when_asked(fresh_user: User) -> None:
    result = fresh_user.kotta("doctor", "--start")
    assert result.code == 0
    assert "\tservice\tanswers in " in result.out
    assert fresh_user.kotta("service", "status").code == 0


def test_a_home_directory_is_not_told(somebody: User) -> None:
    result = somebody.kotta("doctor")
    assert str(somebody.home) not in result.out
    assert "settings in ~/.config/kotta" in result.out


def test_of_variables_the_names_are_told_and_not_the_values(somebody: User) -> None:
    found = _findings(
        somebody, KOTTA_TOKEN="hunter2", https_proxy="http://me:hunter2@proxy", OTHER="hunter2"
    )
    names = found["variables"]["text"].split(", ")
    assert {"KOTTA_TOKEN", "https_proxy", "XDG_RUNTIME_DIR"} <= set(names)
    assert "OTHER" not in names
    assert "hunter2" not in str(found)


def test_settings_that_make_no_sense_are_a_problem_and_hide_nothing_else(somebody: User) -> None:
    path = somebody.home / ".config/kotta/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("queu = 3\n")
    result = somebody.kotta("doctor")
    assert result.code == 1
    row = next(line.split("\t") for line in result.lines if "\tsettings\t" in line)
    assert row == [
        "problem",
        "settings",
        "~/.config/kotta/config.toml:1: `queu` is no setting",
        "did you mean `queue`?",
    ]
    assert "\tlog\t" in result.out


def test_settings_and_who_chose_the_service_are_told(somebody: User) -> None:
    path = somebody.home / ".config/kotta/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('profile = "lab"\n[profiles.lab]\nserver = "unix:/nowhere/at/all"\n')
    found = _findings(somebody)
    assert found["settings"]["text"].endswith("makes sense, sets 2, profiles lab")
    assert found["server"]["text"].startswith("unix:/nowhere/at/all: profile lab, chosen by ~/")
    assert found["service"]["state"] == "problem"
    assert found["service"]["advice"]


def test_a_projects_file_that_is_ignored_is_told(somebody: User) -> None:
    path = somebody.home / "kotta.toml"
    path.write_text("walltime = 3\n")
    assert _findings(somebody)["project"]["text"].endswith("kotta.toml: makes sense, sets 1")
    path.chmod(0o666)
    found = _findings(somebody)["project"]
    assert (found["state"], "everybody can write to it" in found["text"]) == ("note", True)


def test_a_folder_that_others_can_write_to_is_a_problem(somebody: User) -> None:
    folder = somebody.home / ".cache/kotta"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    result = somebody.kotta("doctor")
    folder.chmod(0o700)
    assert result.code == 1
    row = next(line for line in result.lines if "cache in" in line)
    assert row.startswith("problem\tfolder\tcache in ~/.cache/kotta: mode 0777, others can write")
    assert row.endswith("\tchmod go-w ~/.cache/kotta")


def test_a_clock_that_was_set_back_is_a_problem(user: User) -> None:
    user.submit(executable="true")
    log = user.home / ".data/kotta/service.log"
    os.utime(log, (time.time() + 9000, time.time() + 9000))
    found = _findings(user)["clock"]
    os.utime(log)
    assert found["state"] == "problem"
    assert "behind what was written here" in found["text"]


def test_errors_of_the_service_are_told_without_secrets(user: User) -> None:
    user.submit(executable="true")
    log = user.home / ".data/kotta/service.log"
    before = log.read_bytes()
    with log.open("a") as file:
        file.write("2026-01-01 ERROR kotta: GET https://x/y?token=abc Authorization: Bearer abc\n")
    found = _findings(user)["log"]
    log.write_bytes(before)
    assert found["state"] == "note"
    assert found["text"].splitlines()[-1] == (
        "2026-01-01 ERROR kotta: GET https://x/y?… Authorization: …"
    )


def test_an_error_of_the_service_is_one_line_with_what_ended_it(user: User) -> None:
    user.submit(executable="true")
    log = user.home / ".data/kotta/service.log"
    before = log.read_bytes()
    with log.open("a") as file:
        file.write(
            "2026-01-01 ERROR kotta: a round failed\nTraceback (most recent call last):\n"
            '  File "x.py", line 1, in f\nKeyError: 1\n\nDuring handling of the above exception, '
            'another exception occurred:\n\nTraceback (most recent call last):\n  File "x.py"\n'
            "OSError: no room\n2026-01-01 INFO kotta: goes on\n2026-01-01 ERROR kotta: other\n"
        )
    found = _findings(user)["log"]
    log.write_bytes(before)
    assert "2 errors lately" in found["text"]
    assert found["text"].splitlines()[1:] == [
        "2026-01-01 ERROR kotta: a round failed: OSError: no room",
        "2026-01-01 ERROR kotta: other",
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("token=abc.def", "token=…"),
        ('{"access_token": "abc", "a": 1}', '{"access_token": "…", "a": 1}'),
        ("Authorization: Bearer abc", "Authorization: …"),
        ("password abc", "password …"),
        ("http://me:abc@host/x", "http://…@host/x"),
        ("https://s3/x?X-Amz-Signature=abc", "https://s3/x?…"),
        ("the tokenizer is fine", "the tokenizer is fine"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, left: str) -> None:
    assert without_secrets(text) == left


def test_completion_that_is_missing_or_old_is_a_note(somebody: User) -> None:
    found = _findings(somebody, SHELL="/bin/fish")["completion"]
    assert (found["state"], found["advice"]) == ("note", "kotta completion install fish")
    somebody.quick("completion", "install", "fish")
    assert _findings(somebody, SHELL="/bin/fish")["completion"]["state"] == "ok"
    path = somebody.home / ".config/fish/completions/kotta.fish"
    path.write_text(path.read_text() + "#\n")
    assert "of another version" in _findings(somebody, SHELL="/bin/fish")["completion"]["text"]
    path.unlink()


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_on_a_terminal_each_check_has_a_sign_a_word_and_lines_that_fit(
    somebody: User, columns: int
) -> None:
    window = somebody.window("doctor", columns=columns, rows=60)
    assert window.end() == 0
    heads = [line for line in window.lines if not line.startswith(" ")]
    assert all(line.split()[0] in "✓·✗" and line.split()[1] in ("ok", "note") for line in heads)
    assert f"{columns} columns" in " ".join(window.text.split())
    assert window.color_of("✓") == "green"


def test_without_colours_and_unicode_it_says_the_same(somebody: User) -> None:
    window = somebody.window(
        "doctor", NO_COLOR="1", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    assert window.end() == 0
    assert "+ ok" in window.text
    assert "- note" in window.text
    assert "\x1b[3" not in window.raw


def test_what_cannot_be_used_at_all_is_told_by_itself(somebody: User, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = _findings(somebody, XDG_DATA_HOME=str(tmp_path / "file"), XDG_CACHE_HOME="/proc")
    assert found["version"]["state"] == "ok"
    assert any(each["state"] == "problem" for each in found.values())


def test_a_service_whose_storage_is_away_is_a_problem() -> None:
    info = SimpleNamespace(
        pid=None, active_jobs=0, pending_jobs=2, version=__version__, storage_problem="S3 is away"
    )
    client = SimpleNamespace(service=lambda: info, server=SimpleNamespace(is_local=False))
    app: Any = SimpleNamespace(client=client)
    found = {each.check: each for each in diagnosis_service.service(app, start=True)}
    assert found["storage"].state == PROBLEM
    assert found["storage"].text == "the service cannot use it: S3 is away"
