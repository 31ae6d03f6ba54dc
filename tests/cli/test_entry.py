from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from cli.conftest import KOTTA, User
from kotta._version import __version__
from kotta_cli.help_page import HelpPage, top_page

HEAVY = ("typer", "rich", "httpx", "pydantic", "argparse", "json", "pathlib", "platformdirs")


UNNEEDED = (
    *("zipfile", "csv", "asyncio", "concurrent.futures"),
    *("rich", "tomlkit", "tomllib", "cloudpickle", "yaml", "keyring", "sqlalchemy"),
    *("kotta.models.accounts", "kotta.models.description", "kotta.models.detail"),
    *("kotta.models.service", "kotta.config_files", "kotta.credential_store", "kotta.credentials"),
    *("kotta.service_process", "kotta.submitting", "kotta.transfers", "kotta_cli.job_arrays"),
)


def _modules_of(*words: str, variables: dict[str, str] | None = None) -> set[str]:
    """What `kotta WORDS` has imported when it is done."""
    program = (
        "import os, sys\n"
        "os._exit = lambda code: None\n"
        f"sys.argv = {['kotta', *words]!r}\n"
        "from kotta_cli.entry import run\n"
        "run()\n"
        "sys.stderr.write(' '.join(sys.modules))\n"
    )
    # -S: `site` may run .pth files of the environment, which import what they like.
    command = [sys.executable, "-S", "-c", program]
    environment = {
        **(variables or os.environ),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("--help",),
        ("help",),
        (),
        ("help", "exit-codes"),
        ("__complete", "jobs", ""),
    ],
)
def test_what_is_answered_first_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not _modules_of(*words).intersection(HEAVY)


def test_help_of_a_command_imports_that_command_alone() -> None:
    modules = _modules_of("list", "--help")
    assert "kotta_cli.commands.list" in modules
    assert "kotta_cli.commands.submit" not in modules
    assert not modules.intersection(("rich", "httpx"))


def test_a_listing_imports_nothing_that_it_does_not_need(user: User) -> None:
    user.kotta("list")
    modules = _modules_of("list", variables=user.environment)
    assert "kotta.api" in modules
    assert not modules.intersection(UNNEEDED)


@pytest.mark.parametrize(
    "use",
    [
        "from importlib.metadata import version; version('typer')",
        "import importlib.metadata; importlib.metadata.version('typer')",
        "import importlib.metadata as m; m.distribution('typer').version",
        "from importlib.metadata import entry_points; assert entry_points(group='console_scripts')",
        "from importlib.metadata._meta import PackageMetadata",
        "import importlib.metadata as m; m.PackageNotFoundError",
    ],
)
def test_what_is_imported_later_is_there_for_who_wants_it(use: str) -> None:
    program = (
        "import sys; from kotta_cli.later_imports import put_off_metadata\n"
        "put_off_metadata()\n"
        "assert 'email' not in sys.modules\n"
        f"{use}\n"
        "import importlib.metadata\n"
        "assert importlib.metadata.version('typer')\n"
        "assert importlib.metadata is sys.modules['importlib.metadata']\n"
        "assert importlib.metadata.__loader__ is importlib.metadata.__spec__.loader\n"
        "assert 'email' in sys.modules\n"
    )
    command = [sys.executable, "-S", "-c", program]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stderr == ""


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version_is_printed_alone(user: User, word: str) -> None:
    result = user.kotta(word)
    assert (result.code, result.out, result.err) == (0, f"kotta {__version__}\n", "")


def test_version_after_a_global_option_is_the_same(user: User) -> None:
    assert user.kotta("-p", "x", "--version").out == f"kotta {__version__}\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",), ("-p", "x", "--help")])
def test_every_way_to_ask_gives_the_same_top_page(user: User, words: tuple[str, ...]) -> None:
    result = user.kotta(*words)
    assert (result.code, result.err) == (0, "")
    assert result.out == top_page(80, color=False)


def test_help_and_a_command_is_the_help_of_that_command(user: User) -> None:
    assert user.kotta("help", "list").out == user.kotta("list", "--help").out


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_the_top_page_keeps_to_its_width(columns: int) -> None:
    page = top_page(columns, color=False)
    assert max(map(len, page.splitlines())) <= columns


def test_the_top_page_is_coloured_on_a_terminal_alone(user: User) -> None:
    assert "\x1b[" not in user.kotta("--help").out
    window = user.window("--help", rows=60)
    assert window.end() == 0
    assert window.color_of("submit") == "cyan"


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_turned_off(user: User, variable: dict[str, Any]) -> None:
    window = user.window("list", "--help", rows=60, **variable)
    assert window.end() == 0
    assert "\x1b[" not in window.raw


def test_colour_can_be_forced_in_a_pipe(user: User) -> None:
    for words in (("--help",), ("list", "--help")):
        assert "\x1b[1m" in user.kotta(*words, CLICOLOR_FORCE="1").out


def test_a_long_term_stands_on_a_line_of_its_own() -> None:
    page = HelpPage(60, color=False)
    page.table("Options", {"--a": "Short.", "--" + "b" * 40: "Long."})
    assert page.text().splitlines()[2] == "  --" + "b" * 40


@pytest.mark.parametrize("words", [("--help",), ("list", "--help"), ("completion", "bash")])
def test_nobody_hears_of_a_closed_pipe(user: User, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [KOTTA, *words], stdout=writer, stderr=subprocess.PIPE, env=user.environment, timeout=30
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("words", "redirection"),
    [("--help", ">&-"), ("list --help", ">&-"), ("login", "2>&-"), ("login", ">&- 2>&- <&-")],
)
def test_closed_streams_are_no_failure(user: User, words: str, redirection: str) -> None:
    done = subprocess.run(
        f"{KOTTA} {words} {redirection}",
        shell=True,
        env=user.environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", ["--help", "list --help", "login"])
def test_a_full_disk_is_told_in_words(user: User, words: str) -> None:
    done = subprocess.run(
        f"{KOTTA} {words} > /dev/full",
        shell=True,
        env=user.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"error: cannot write.*: No space left on device\n", done.stderr)
