from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import needed

from cli.conftest import User
from cli.terminal import TerminalWindow
from kotta_cli.completion_scripts import SCRIPTS

PLACES = {
    "bash": ".data/bash-completion/completions/kotta",
    "zsh": ".data/zsh/site-functions/_kotta",
    "fish": ".config/fish/completions/kotta.fish",
}
RC = {"bash": ".bashrc", "zsh": ".zshrc"}


@pytest.fixture
def home(idle_user: User) -> Iterator[Path]:
    """The home of somebody who has installed nothing."""
    _clean(idle_user.home)
    yield idle_user.home
    _clean(idle_user.home)


def _clean(home: Path) -> None:
    for name in (*PLACES.values(), *RC.values()):
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("shell", PLACES)
def test_the_script_is_put_in_its_place_and_brought_up_to_date(
    idle_user: User, home: Path, shell: str
) -> None:
    path = home / PLACES[shell]
    result = idle_user.quick("completion", "install", shell)
    assert (result.code, result.out) == (0, f"{path}\n")
    assert path.read_text() == SCRIPTS[shell]()
    assert not any((home / name).exists() for name in RC.values())
    path.write_text(path.read_text() + "# of an older version\n")
    assert idle_user.quick("completion", "install", shell).code == 0
    assert path.read_text() == SCRIPTS[shell]()
    before = path.stat().st_mtime_ns
    again = idle_user.quick("completion", "install", shell, "--json").json
    assert again == {
        "shell": shell,
        "script": str(path),
        "rc_file": str(home / RC[shell]) if shell in RC else None,
        "changed": False,
    }
    assert path.stat().st_mtime_ns == before
    assert idle_user.quick("completion", "uninstall", shell).out == f"{path}\n"
    assert not path.exists()
    assert idle_user.quick("completion", "uninstall", shell, "--json").json["changed"] is False


@pytest.mark.parametrize("shell", RC)
def test_the_start_up_file_is_touched_only_when_asked_and_once(
    idle_user: User, home: Path, shell: str
) -> None:
    kept = home / "dotfiles"
    kept.write_text("alias ll='ls -l'\nexport X=1")
    kept.chmod(0o640)
    rc = home / RC[shell]
    rc.symlink_to(kept)
    assert idle_user.quick("completion", "install", shell).code == 0
    assert kept.read_text() == "alias ll='ls -l'\nexport X=1"
    for _ in range(2):
        assert idle_user.quick("completion", "install", shell, "--rc").code == 0
    assert rc.is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o640
    text = kept.read_text()
    assert text.startswith("alias ll='ls -l'\nexport X=1\n\n# >>> completion of kotta >>>\n")
    assert text.count(">>> completion of kotta >>>") == 1
    left = idle_user.quick("completion", "uninstall", shell)
    assert "would load it if it were there; --rc" in left.err
    kept.write_text(text + "more=1\n")
    assert idle_user.quick("completion", "uninstall", shell, "--rc").code == 0
    assert kept.read_text() == "alias ll='ls -l'\nexport X=1\nmore=1\n"
    kept.unlink()


def test_what_is_not_ours_is_left_as_it_is(idle_user: User, home: Path) -> None:
    path = home / PLACES["fish"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("complete -c kotta -f\n")
    for verb in ("install", "uninstall"):
        result = idle_user.quick("completion", verb, "fish")
        assert (result.code, "not made by kotta" in result.err) == (1, True)
    assert path.read_text() == "complete -c kotta -f\n"


def test_a_place_that_cannot_be_written_is_named(idle_user: User, home: Path) -> None:
    result = idle_user.quick("completion", "install", "bash", BASH_COMPLETION_USER_DIR="/dev/null")
    assert (result.code, "cannot write /dev/null/completions/kotta" in result.err) == (1, True)


def test_the_users_shell_is_meant_where_none_is_named(idle_user: User, home: Path) -> None:
    assert idle_user.quick("completion", "install", SHELL="/usr/bin/fish").code == 0
    assert (home / PLACES["fish"]).exists()
    result = idle_user.quick("completion", "install", SHELL="/bin/tcsh")
    assert (result.code, "no completion for `tcsh`" in result.err) == (2, True)
    result = idle_user.quick("completion", "install", "fsh")
    assert (result.code, "did you mean `fish`?" in result.err) == (2, True)


def test_it_says_what_to_do_where_the_shell_does_not_look(idle_user: User, home: Path) -> None:
    result = idle_user.quick("completion", "install", "zsh")
    assert f"Add this to {home}/.zshrc" in result.err
    assert "autoload -Uz _kotta && compdef _kotta kotta" in result.err
    result = idle_user.quick("completion", "install", "zsh", "--rc")
    assert "`exec zsh` makes this one new" in result.err


def test_errors_are_json_when_asked(idle_user: User, home: Path) -> None:
    result = idle_user.quick("completion", "install", "--json", SHELL="")
    assert json.loads(result.err)["exit_code"] == 2


@pytest.mark.parametrize("shell", PLACES)
def test_a_new_shell_completes(idle_user: User, home: Path, shell: str) -> None:
    program = needed(shell)
    idle_user.quick("completion", "install", shell, "--rc")
    words = [program, "--noprofile"] if shell == "bash" else [program]
    window = TerminalWindow(
        [*words, "-i"],
        columns=100,
        rows=30,
        environment={**idle_user.environment, "ZDOTDIR": str(home), "INPUTRC": "/dev/null"},
        cwd=home,
    )
    window.type("echo is 'ready'\r")
    window.until("is ready")
    window.type("kotta completion unin\t")
    window.until("kotta completion uninstall")
    window.type("\x15exit\r")
    window.end()
