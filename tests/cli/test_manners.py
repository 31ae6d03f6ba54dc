"""What no command may write where it must not: over all commands, in every kind of surroundings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.conftest import User, _new_user
from cli.invocations import every_call, prepare

_PROGRAM = Path(__file__).with_name("many_runs.py")
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|.)")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_MORE = [
    ["--help"],
    ["help", "exit-codes"],
    ["submit", "--help"],
    ["status", "nobody"],
    ["list", "--statsu", "failed"],
    ["submit", "wrong.json"],
]
"""Help and errors."""


_FREE = ("kotta logs", "kotta completion", "kotta service logs", "kotta diff")
"""Print what others wrote, line for line."""


@pytest.fixture(scope="module")
def busy() -> Iterator[User]:
    """Somebody with a few jobs."""
    user = _new_user()
    prepare(user)
    user.describe("wrong.json", executable="true", walltme=1)
    yield user
    user.kotta("cancel", "@open", "--yes")
    user.leave()


@dataclass
class Said:
    """What a command printed."""

    line: str
    out: str
    err: str
    code: int

    def lines(self) -> list[str]:
        """Of a terminal, without what moves its cursor."""
        return re.split(r"[\r\n]+", _ESCAPE.sub("", self.out))


def _everything(
    user: User, *, columns: int = 0, is_closed: bool = False, **environment: str
) -> list[Said]:
    """What every command prints in these surroundings."""
    user.kotta("queues")
    lines = [*_MORE, *(call.line for call in every_call())]
    surroundings = {
        "environment": {**user.environment, **environment},
        "columns": columns,
        "is_closed": is_closed,
    }
    done = subprocess.run(
        [sys.executable, str(_PROGRAM)],
        input=json.dumps([{"words": words, **surroundings} for words in lines]),
        capture_output=True,
        text=True,
        cwd=user.home,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    said = [
        Said(" ".join(["kotta", *words]), **result)
        for words, result in zip(lines, json.loads(done.stdout), strict=True)
    ]
    for each in said:
        assert each.code in (0, 1, 2, 3, 141), each
        assert "Traceback" not in each.out + each.err, each
    return said


def _check_width(said: Said, columns: int) -> None:
    """That tables and pages keep to the window; sentences are left to the terminal to break."""
    if not said.line.startswith(_FREE):
        for line in said.lines():
            is_laid_out = "  " in line.strip()
            # a word is not cut, such as a path
            has_long_word = any(len(word) > 24 for word in line.split())
            assert not is_laid_out or has_long_word or len(line) <= columns, (said.line, line)


@pytest.fixture(scope="module")
def piped(busy: User) -> list[Said]:
    """What every command prints into a pipe, in an ASCII locale."""
    return _everything(busy, LC_ALL="C")


def test_a_pipe_gets_no_escapes_no_returns_and_in_an_ascii_locale_nothing_but_ascii(
    piped: list[Said],
) -> None:
    for said in piped:
        assert not re.search(r"[\x1b\r\x08]", said.out + said.err), said
        assert (said.out + said.err).isascii(), said


@pytest.mark.slow
def test_colour_that_is_forced_on_a_pipe_is_all_it_gets_besides(busy: User) -> None:
    everything = _everything(busy, CLICOLOR_FORCE="1")
    for said in everything:
        assert not re.search(r"[\x1b\r\x08]", _COLOR.sub("", said.out + said.err)), said
    assert sum(bool(_COLOR.search(said.out)) for said in everything) > 5


@pytest.mark.slow
def test_a_narrow_terminal_without_colour_and_unicode_gets_neither(busy: User) -> None:
    for said in _everything(busy, columns=60, LC_ALL="C", NO_COLOR="1"):
        assert said.out.isascii(), (said.line, re.findall(r"[^\x00-\x7f]+", said.out))
        assert not _COLOR.search(said.out), said
        _check_width(said, 60)


@pytest.mark.slow
def test_a_dumb_terminal_gets_plain_lines(busy: User) -> None:
    for said in _everything(busy, columns=80, TERM="dumb"):
        assert not re.search(r"[\x1b\x08]|\r(?!\n)", said.out), said
        _check_width(said, 80)


@pytest.mark.slow
def test_a_wide_terminal_gets_colour_and_no_longer_lines(busy: User) -> None:
    everything = _everything(busy, columns=200)
    for said in everything:
        _check_width(said, 200)
    assert sum(bool(_COLOR.search(said.out)) for said in everything) > 10


@pytest.mark.slow
def test_nobody_hears_that_the_reader_has_gone(busy: User, piped: list[Said]) -> None:
    read = {said.line: said for said in piped}
    for said in _everything(busy, is_closed=True):
        if read[said.line].out:
            # as SIGPIPE itself would have it
            assert (said.code, said.err) == (141, ""), said
        assert "pipe" not in said.err, said
