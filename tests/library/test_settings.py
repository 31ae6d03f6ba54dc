from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kotta import JobDescription, Kotta, config_writing, project_file
from kotta.config import Config, config_file, find_server
from kotta.errors import ConfigError, DescriptionError
from kotta.settings import SETTINGS, variable

LAB = "https://lab.example"


@pytest.fixture
def own(home: Path) -> Path:
    """The user's own file, where two profiles are."""
    path = config_file()
    path.parent.mkdir(parents=True)
    path.write_text(f'[profiles.lab]\nserver = "{LAB}"\nqueue = "Big"\n\n[profiles.own]\n')
    return path


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's file, empty so far; the current directory lies below it."""
    path = home / "project" / "kotta.toml"
    (path.parent / "deep" / "down").mkdir(parents=True)
    path.write_text("")
    monkeypatch.chdir(path.parent / "deep" / "down")
    return path


def _find(name: str, profile: str | None = None) -> tuple[object, str]:
    found = Config().find(name, profile)
    return found.value, found.origin


def test_environment_project_user_and_default_go_in_this_order(
    own: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _find("queue") == ("Test", "default")
    own.write_text('queue = "Mine"\n' + own.read_text())
    assert _find("queue") == ("Mine", str(own))
    assert _find("queue", "lab") == ("Big", str(own))
    assert _find("queue", "own") == ("Mine", str(own))
    project.write_text('queue = "Ours"\n')
    assert _find("queue", "lab") == ("Ours", str(project))
    monkeypatch.setenv("KOTTA_QUEUE", "Now")
    assert _find("queue", "lab") == ("Now", "KOTTA_QUEUE")


def test_values_from_the_environment_are_checked_and_empty_ones_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KOTTA_LIST_LIMIT", "20")
    monkeypatch.setenv("KOTTA_LIST_FIELDS", "id, name")
    monkeypatch.setenv("KOTTA_WALLTIME", "")
    assert _find("list.limit") == (20, "KOTTA_LIST_LIMIT")
    assert _find("list.fields") == (["id", "name"], "KOTTA_LIST_FIELDS")
    assert _find("walltime") == (300, "default")
    monkeypatch.setenv("KOTTA_LIST_LIMIT", "many")
    with pytest.raises(ConfigError, match="KOTTA_LIST_LIMIT: `many` must be a whole number"):
        _find("list.limit")


def test_the_active_profile_is_a_setting(own: Path, project: Path) -> None:
    assert find_server().is_local
    own.write_text('profile = "own"\n' + own.read_text())
    assert find_server().profile == "own"
    project.write_text('profile = "lab"\n')
    found = find_server()
    assert (found.address, found.profile, found.chosen_by) == (LAB, "lab", str(project))
    assert find_server("local").is_local
    assert find_server(profile="own").is_local


def test_a_project_may_choose_among_the_users_profiles_only(own: Path, project: Path) -> None:
    project.write_text('profile = "evil"\n')
    with pytest.raises(ConfigError, match=f"no profile `evil`, which {project} asks for"):
        find_server()
    project.write_text('[profiles.lab]\nserver = "https://evil.example"\n')
    with pytest.raises(ConfigError, match="a project cannot define a profile"):
        find_server()


def test_a_projects_file_that_others_can_write_is_not_believed(own: Path, project: Path) -> None:
    project.write_text('profile = "lab"\n')
    project.chmod(0o666)
    assert find_server().is_local
    assert "everybody can write" in project_file.reason_to_ignore(str(project))


def test_a_projects_file_of_somebody_else_is_not_believed(
    own: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_text('profile = "lab"\n')
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert find_server().is_local
    assert "belongs to somebody else" in project_file.reason_to_ignore(str(project))


def test_the_search_ends_at_the_home_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = home / "below"
    below.mkdir()
    (home / "kotta.toml").write_text("walltime = 1\n")
    assert project_file.find(str(below)) == os.path.join(os.path.realpath(home), "kotta.toml")
    monkeypatch.setenv("HOME", str(below))
    assert project_file.find(str(below)) is None


def test_the_nearest_projects_file_counts_alone(project: Path) -> None:
    project.write_text('queue = "Far"\nwalltime = 7\n')
    (project.parent / "deep" / "kotta.toml").write_text('queue = "Near"\n')
    assert _find("queue")[0] == "Near"
    assert _find("walltime")[0] == 300


def test_a_removed_current_directory_is_no_failure(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    assert find_server().is_local


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('queue = "a"\nqueu = "b"\n', ":2: `queu` is no setting; did you mean `queue`?"),
        ("# first\n\n[list]\nlimit = 0\n", ":4: `list.limit` must be a whole number"),
        ("[list]\nlimit = true\n", ":2: `list.limit` must be a whole number"),
        ("walltime = -1", ":1: `walltime` must be a number of minutes"),
        ("walltime = nan", ":1: `walltime` must be a number of minutes"),
        ('list.fields = "id"', ":1: `list.fields` must be a list of names"),
        ("list = 3", ":1: `list` is no setting"),
        ('queue = "a\\nb"', ":1: `queue` must be text on one line"),
        ('queue = """\na\nb"""\nprofile = ""', ":4: `profile` must be text"),
        ('\n[profiles."a.b"]\nserver = "ftp://x"', ":3: `profiles.a.b.server` is no address"),
        ('profiles.lab = { server = "local", walltme = 3 }', ":1: `profiles.lab.walltme` is no"),
        ("[profiles.lab.server]\nx = 1", ":1: `profiles.lab.server` must be an address"),
        ("profiles = 3", ":1: `profiles` must hold a table"),
        ("queue = \n", ":1: is not TOML: invalid value"),
        ('queue = "a', ":1: is not TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(own: Path, text: str, said: str) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Config().find("queue")
    words = f"{caught.value.message}; {caught.value.hint}"
    assert str(own) + said in words


def test_everything_that_is_wrong_is_said_at_once(own: Path) -> None:
    own.write_text('queu = "a"\nwalltime = "b"\n')
    with pytest.raises(ConfigError) as caught:
        Config().find("queue")
    assert "2 problems" in caught.value.message
    assert f"{own}:1:" in caught.value.message
    assert f"{own}:2:" in caught.value.message


def test_a_file_that_cannot_be_read_is_named(own: Path) -> None:
    own.unlink()
    own.mkdir()
    with pytest.raises(ConfigError, match=f"cannot read {own}"):
        Config().find("queue")


def test_the_defaults_are_those_of_a_description() -> None:
    fields = JobDescription.model_fields
    assert SETTINGS["queue"].default == fields["queue"].default
    assert SETTINGS["walltime"].default == fields["walltime"].default


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert variable("profile") == "KOTTA_PROFILE"
    assert len({variable(name) for name in SETTINGS}) == len(SETTINGS)


def test_nothing_is_parsed_where_there_is_no_file() -> None:
    script = "import sys, kotta.config as c; c.Config().find('queue'); c.find_server()\n"
    script += "print('tomllib' in sys.modules, 'tomlkit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False False\n"


def test_comments_and_order_stay_on_writing(own: Path) -> None:
    own.write_text(f'# mine\nwalltime = 5  # short\n\n[profiles.lab]\n# far\nserver = "{LAB}"\n')
    config_writing.set_value(own, "walltime", 6)
    config_writing.set_value(own, "queue", "Prod")
    config_writing.set_value(own, "list.limit", 3)
    config_writing.set_value(own, "profiles.lab.queue", "Big")
    config_writing.set_value(own, "profiles.a.b.server", "local")
    assert [line for line in own.read_text().splitlines() if line] == [
        *("# mine", "walltime = 6  # short", 'queue = "Prod"'),
        *("[profiles.lab]", "# far", f'server = "{LAB}"', 'queue = "Big"'),
        *('[profiles."a.b"]', 'server = "local"', "[list]", "limit = 3"),
    ]
    assert Config().profiles == {"lab": LAB, "a.b": "local"}
    for name in ("walltime", "queue", "list.limit", "profiles.lab", "profiles.a.b"):
        assert config_writing.unset_value(own, name)
        assert not config_writing.unset_value(own, name)
    assert own.read_text().startswith("# mine\n")
    assert Config().profiles == {}


def test_a_new_file_is_this_users_alone(home: Path) -> None:
    config_writing.set_value(config_file(), "queue", "Prod")
    assert config_file().stat().st_mode & 0o777 == 0o600
    assert config_file().parent.stat().st_mode & 0o777 == 0o700


def test_a_link_stays_a_link(own: Path, home: Path) -> None:
    kept = home / "dotfiles.toml"
    own.rename(kept)
    own.symlink_to(kept)
    config_writing.set_value(own, "queue", "Prod")
    assert own.is_symlink()
    assert 'queue = "Prod"' in kept.read_text()


def test_a_file_that_makes_no_sense_is_left_as_it_is(own: Path) -> None:
    for text in ("queue = \n", "nonsense = 1\n", "list = 3\n"):
        own.write_text(text)
        with pytest.raises(ConfigError, match=str(own)):
            config_writing.set_value(own, "list.limit", 3)
        assert own.read_text() == text
    assert [path.name for path in own.parent.iterdir()] == [own.name]


def test_a_folder_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "config").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        config_writing.set_value(config_file(), "queue", "Prod")


def _set(path: Path, number: int) -> None:
    config_writing.set_value(path, f"profiles.p{number}.server", "local")


def test_many_writers_at_once_lose_nothing(own: Path) -> None:
    start = multiprocessing.get_context("fork")
    writers = [start.Process(target=_set, args=(own, number)) for number in range(12)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(20)
    assert len(Config().profiles) == 14


def test_jobs_that_say_nothing_get_what_the_settings_say(
    real: Kotta, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOTTA_WALLTIME", "2")
    own.write_text('queue = "Prod"\n')
    with Kotta(server=real.server.address) as kotta:
        plain = kotta.submit({"executable": "true"})
        model = kotta.submit(JobDescription(executable="true", walltime=1))
        said = kotta.submit({"executable": "true", "queue": "Test", "walltime": 3})
        checked = kotta.check([{"executable": "true"}])[0]
    assert (plain.queue, plain.walltime_seconds) == ("Prod", 120)
    assert (model.queue, model.walltime_seconds) == ("Prod", 60)
    assert (said.queue, said.walltime_seconds) == ("Test", 180)
    assert (checked.queue, checked.walltime_seconds) == ("Prod", 120)


def test_a_queue_that_is_not_there_is_traced_to_the_setting(real: Kotta, own: Path) -> None:
    own.write_text('queue = "Prodd"\n')
    with Kotta(server=real.server.address) as kotta:
        with pytest.raises(DescriptionError) as caught:
            kotta.submit({"executable": "true"})
    assert f"`Prodd` by {own}" in caught.value.problems[0].hint
