from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import User

LAB = "https://lab.example"


@pytest.fixture
def own(user: User) -> Iterator[Path]:
    """The user's own file, not there yet."""
    path = user.home / ".config" / "kotta" / "config.toml"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def project(user: User) -> Iterator[Path]:
    """A project's file in the user's current directory, empty so far."""
    path = user.home / "kotta.toml"
    path.write_text("")
    yield path
    path.unlink(missing_ok=True)


def _editor(user: User, code: str) -> str:
    """An editor that runs Python code on the text of its file."""
    script = user.home / "edit it.py"
    head = "import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n"
    script.write_text(f"{head}{code}\nfile.write_text(text)\n")
    return f'{sys.executable} "{script}"'


def test_what_is_set_counts_and_lies_in_a_file_of_the_users_own(user: User, own: Path) -> None:
    assert user.quick("config", "get", "walltime").out == "300\n"
    result = user.kotta("config", "set", "walltime", "20")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert user.quick("config", "get", "walltime").out == "20\n"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert user.quick("config", "path").out == f"{own}\n"
    assert user.quick("config", "unset", "walltime").code == 0
    assert user.quick("config", "get", "walltime").out == "300\n"
    assert "does not set `walltime`" in user.quick("config", "unset", "walltime").err


def test_programs_hear_what_counts_after_a_change(user: User, own: Path) -> None:
    default = {"key": "queue", "value": "Test", "origin": "default"}
    prod = {"key": "queue", "value": "Prod", "origin": str(own)}
    assert user.quick("config", "set", "queue", "Prod", "--json").json == prod
    assert user.quick("config", "unset", "queue", "--json").json == default
    here = user.quick("config", "set", "queue", "Prod", "--json", KOTTA_QUEUE="Test")
    assert (here.json, here.err) == ({**default, "origin": "KOTTA_QUEUE"}, "")
    assert user.quick("config", "path", "--json").json == {"path": str(own)}


def test_a_setting_without_a_value_exits_with_one(user: User, own: Path) -> None:
    result = user.quick("config", "get", "profile")
    assert (result.code, result.out) == (1, "")
    result = user.quick("config", "get", "profiles.lab.server", "--json")
    assert (result.code, result.json["value"]) == (1, None)


def test_list_says_what_counts_and_who_says_so(user: User, own: Path, project: Path) -> None:
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(f'queue = "Prod"\n[profiles.lab]\nserver = "{LAB}"\n')
    project.write_text("[list]\nfields = ['id', 'name']\n")
    result = user.kotta("config", "list", "--show-origin", KOTTA_WALLTIME="5")
    assert [line.split("\t") for line in result.lines] == [
        ["profile", "", "default"],
        ["queue", "Prod", str(own)],
        ["walltime", "5", "KOTTA_WALLTIME"],
        ["list.fields", "id,name", str(project)],
        ["list.limit", "100", "default"],
        ["profiles.lab.server", LAB, str(own)],
    ]
    shapes = user.quick("config", "list", "--json").json
    assert {"key": "list.fields", "value": ["id", "name"], "origin": str(project)} in shapes
    assert user.quick("config", "get", "queue", "--json").json == shapes[1]
    window = user.window("config", "list", "--show-origin", columns=100)
    assert window.end() == 0
    assert window.lines[0].split() == ["SETTING", "VALUE", "SAID", "BY"]
    assert not any(line.startswith("profile ") for line in window.lines)


def test_a_setting_that_is_none_names_the_nearest(user: User, own: Path) -> None:
    for words in (["get", "list.limt"], ["set", "list.limt", "3"], ["unset", "list.limt"]):
        result = user.quick("config", *words)
        assert result.code == 2
        assert "did you mean `list.limit`?" in result.err
    result = user.quick("config", "get", "profiles.lab.serve")
    assert "did you mean `profiles.lab.server`?" in result.err


@pytest.mark.parametrize(
    ("key", "value", "code", "said"),
    [
        ("walltime", "long", 2, "must be a number of minutes"),
        ("list.limit", "0", 2, "must be a whole number"),
        ("list.limit", "abc", 2, "must be a whole number"),
        ("list.fields", "id,nam", 2, "did you mean `name`?"),
        ("queue", "", 2, "must be text on one line"),
        ("profiles.lab.server", "ftp://x", 2, "is no address of a service"),
        # as with `-p nowhere`: what is named is not there
        ("profile", "nowhere", 1, "kotta config set profiles.nowhere.server"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    user: User, own: Path, key: str, value: str, code: int, said: str
) -> None:
    result = user.quick("config", "set", key, value)
    assert result.code == code
    assert said in result.err
    assert not own.exists()


def test_setting_what_has_no_effect_here_is_remarked(user: User, own: Path) -> None:
    result = user.quick("config", "set", "queue", "Prod", KOTTA_QUEUE="Test")
    assert (result.code, result.err) == (
        0,
        "`queue` is still `Test` here: KOTTA_QUEUE says so.\n",
    )


def test_a_projects_file_is_written_where_it_is_found_or_else_here(
    user: User, own: Path, project: Path
) -> None:
    project.unlink()
    assert user.quick("config", "path", "--project").out == f"{os.path.realpath(project)}\n"
    assert user.quick("config", "set", "--project", "queue", "Prod").code == 0
    assert project.read_text() == 'queue = "Prod"\n'
    refused = user.quick("config", "set", "--project", "profiles.lab.server", LAB)
    assert (refused.code, "a project cannot define a profile" in refused.err) == (2, True)
    project.chmod(0o666)
    assert "everybody can write to it" in user.quick("config", "set", "--project", "queue", "x").err
    assert "is ignored: everybody can write to it" in user.quick("config", "list").err
    assert user.quick("config", "get", "queue").out == "Test\n"


def test_a_file_that_makes_no_sense_stops_commands_but_not_its_repair(
    user: User, own: Path
) -> None:
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("\nqueu = 3\n")
    result = user.kotta("list")
    assert result.code == 1
    assert f"{own}:2: `queu` is no setting" in result.err
    assert "did you mean `queue`?" in result.err
    editor = _editor(user, "text = text.replace('queu = 3', 'queue = \"Prod\"')")
    assert user.kotta("config", "edit", EDITOR=editor).code == 0
    assert own.read_text() == '\nqueue = "Prod"\n'


def test_edit_begins_a_file_and_keeps_it_for_this_user(user: User, own: Path) -> None:
    editor = _editor(user, "assert '[profiles.lab]' in text; text += 'walltime = 7\\n'")
    assert user.kotta("config", "edit", VISUAL=editor, EDITOR="false").code == 0
    assert user.quick("config", "get", "walltime").out == "7\n"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_edit_without_a_change_writes_nothing(user: User, own: Path) -> None:
    result = user.kotta("config", "edit", EDITOR="true")
    assert (result.code, result.err) == (0, "Nothing was changed.\n")
    assert not own.exists()


def test_edit_tells_a_program_whether_anything_changed(user: User, own: Path) -> None:
    editor = _editor(user, "text = 'walltime = 7\\n'")
    for changed in (True, False):
        told = user.kotta("config", "edit", "--json", EDITOR=editor)
        assert (told.json, told.err) == ({"path": str(own), "changed": changed}, "")


def test_edit_refuses_what_makes_no_sense(user: User, own: Path) -> None:
    user.quick("config", "set", "walltime", "3")
    before = own.read_text()
    result = user.kotta("config", "edit", EDITOR=_editor(user, "text = 'walltime = true'"))
    assert result.code == 1
    assert "must be a number of minutes" in result.err
    assert own.read_text() == before


def test_on_a_terminal_one_can_go_on_editing(user: User, own: Path) -> None:
    editor = _editor(user, "text = 'walltime = 9' if text == 'walltime = x' else 'walltime = x'")
    window = user.window("config", "edit", EDITOR=editor)
    window.until("is not TOML", "Edit it again?")
    window.type("y\r")
    assert window.end() == 0
    assert own.read_text() == "walltime = 9"


def test_an_editor_that_fails_changes_nothing(user: User, own: Path) -> None:
    result = user.kotta("config", "edit", EDITOR="false")
    assert (result.code, "exit code 1" in result.err) == (1, True)
    result = user.kotta("config", "edit", EDITOR="/no/such/editor")
    assert (result.code, "cannot be started" in result.err) == (1, True)
    assert not own.exists()


def test_submit_goes_by_queue_and_walltime_of_the_settings(user: User, own: Path) -> None:
    user.quick("config", "set", "queue", "Prod")
    user.quick("config", "set", "walltime", "2")
    said = user.kotta("submit", "--json", "--", "true").json
    assert (said["queue"], said["walltime_seconds"]) == ("Prod", 120)
    said = user.quick("submit", "--queue", "Test", "-t", "3", "--json", "--", "true").json
    assert (said["queue"], said["walltime_seconds"]) == ("Test", 180)
    said = user.quick("submit", "--json", "--", "true", KOTTA_QUEUE="Test").json
    assert said["queue"] == "Test"


def test_an_unknown_queue_is_traced_to_the_setting(user: User, own: Path) -> None:
    user.describe(executable="true", jobname="n")
    result = user.quick("submit", "job.json", KOTTA_QUEUE="Nowhere")
    assert result.code == 2
    assert "it is `Nowhere` by KOTTA_QUEUE" in result.err
    assert "job.json:1" not in result.err


def test_list_settings_are_for_tables_and_not_for_programs(user: User, own: Path) -> None:
    jobs = [user.submit(executable="true", jobname=f"settled-{n}") for n in range(3)]
    user.quick("config", "set", "list.fields", "name,queue")
    user.quick("config", "set", "list.limit", "2")
    window = user.window("list", "--name", "settled-*")
    assert window.end() == 0
    assert [line.split() for line in window.lines[:3]] == [
        ["NAME", "QUEUE"],
        ["settled-2", "Test"],
        ["settled-1", "Test"],
    ]
    window = user.window("list", "--name", "settled-*", "--fields", "name", "-L", "3")
    assert window.end() == 0
    assert len(window.lines) == 4
    piped = user.kotta("list", "--name", "settled-*")
    assert [line.split("\t")[0] for line in piped.lines] == jobs[::-1]
    assert len(user.quick("list", "--name", "settled-*", "--json").json) == 3


def test_a_field_that_is_none_is_traced_to_the_setting(user: User, own: Path) -> None:
    window = user.window("list", KOTTA_LIST_FIELDS="nme")
    assert window.end() == 1
    assert "KOTTA_LIST_FIELDS: `list.fields`: `nme` is no field of a job" in window.text


def test_the_active_profile_is_what_commands_talk_to(user: User, own: Path, project: Path) -> None:
    address = user.client.server.address
    user.quick("config", "set", "profiles.mine.server", address)
    user.quick("config", "set", "profiles.mine.queue", "Prod")
    user.quick("config", "set", "profile", "mine")
    assert user.quick("login", "--json").json["origin"] == "profile mine"
    assert user.quick("submit", "--json", "--", "true").json["queue"] == "Prod"
    assert user.quick("--server", "local", "submit", "--json", "--", "true").json["queue"] == "Test"
    assert user.quick("-p", "nowhere", "queues").code == 1


def test_removing_the_profile_in_use_is_remarked(user: User, own: Path) -> None:
    user.quick("config", "set", "profiles.lab.server", LAB)
    user.quick("config", "set", "profile", "lab")
    result = user.quick("config", "unset", "profiles.lab")
    assert (result.code, result.err) == (
        0,
        f"there is no profile `lab`, which {own} asks for\n",
    )


def test_a_terminal_is_told_that_a_projects_file_chose_the_service(
    user: User, own: Path, project: Path
) -> None:
    user.quick("config", "set", "profiles.mine.server", user.client.server.address)
    project.write_text('profile = "mine"\n')
    window = user.window("queues", columns=120)
    assert window.end() == 0
    assert window.lines[0] == f"Using profile mine, as {os.path.realpath(project)} says."
    assert user.kotta("queues").err == ""


def test_errors_are_json_when_asked(user: User, own: Path) -> None:
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("queu = 3\n")
    error = json.loads(user.kotta("config", "list", "--json").err)
    assert (error["code"], error["hint"]) == ("config", "did you mean `queue`?")


def test_it_needs_no_service(idle_user: User) -> None:
    assert idle_user.kotta("config", "list").code == 0
    assert idle_user.kotta("service", "status").code == 1


def test_listing_jobs_imports_no_writer_of_toml(user: User, own: Path) -> None:
    user.quick("config", "set", "queue", "Prod")
    script = "import sys; from kotta_cli.main import main; main(['list'])\n"
    script += "print('tomlkit' in sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=user.environment
    )
    assert done.stderr == "False\n"
