from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kotta_cli.command_page import option_term
from kotta_cli.command_table import COMMANDS, command_names
from kotta_cli.tree import load

PAGES = Path(__file__).parents[2] / "docs/commands"
_ROW = re.compile(r"^\| `(-[^`]*)` \| (.*) \|$", re.MULTILINE)


def _options(command: Any) -> list[tuple[str, str]]:
    return [
        (option_term(param), param.help)
        for param in command.params
        if param.param_type_name == "option" and not param.hidden
    ]


@pytest.mark.parametrize("name", command_names())
def test_a_page_has_the_summary_and_the_options_of_its_command(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()
    command = load(name)
    assert f"\n{command.help.splitlines()[0]}\n" in page
    wanted = _options(command)
    for below in getattr(command, "commands", {}).values():
        assert f"## kotta {name} {below.name}\n\n{below.help.splitlines()[0]}\n" in page
        wanted += _options(below)
    assert _ROW.findall(page) == wanted


def test_there_is_no_page_without_a_command() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*command_names(), "README"}


def test_the_overview_lists_the_commands_as_the_top_page_does() -> None:
    page = (PAGES / "README.md").read_text()
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(\w+\.md\) \| (.*) \|$", page, re.MULTILINE))
    assert rows == {name: line for group in COMMANDS.values() for name, line in group.items()}
