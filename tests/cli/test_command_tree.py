from __future__ import annotations

import re
from typing import Any

import pytest

from cli.invocations import every_command
from kotta_cli.command_shape import example_rows, option_term
from kotta_cli.command_table import COMMANDS, EXAMPLES, GLOBAL_OPTIONS, command_names
from kotta_cli.tree import load, root


def _every_command() -> list[tuple[str, Any]]:
    return list(every_command().items())


def test_the_static_table_says_the_same_help_lines_as_the_commands() -> None:
    for rows in COMMANDS.values():
        for name, line in rows.items():
            assert load(name).help.split("\n")[0] == line


def test_the_static_table_has_the_commands_of_the_tree_in_its_order() -> None:
    tree = root()
    assert tree.list_commands(None) == command_names()
    assert all(tree.get_command(None, name).name == name for name in command_names())


def test_the_static_table_has_the_global_options_of_the_tree() -> None:
    options = {option_term(param): param.help for param in root().params}
    assert {**options, "-h, --help": "Show this page and exit."} == GLOBAL_OPTIONS


@pytest.mark.parametrize(("name", "command"), _every_command())
def test_every_command_has_a_one_sentence_summary_and_examples(name: str, command: Any) -> None:
    summary = command.help.split("\n")[0]
    assert re.fullmatch(r"[A-Z][^.]*\.", summary), summary
    examples = example_rows(command.epilog)
    wanted = 1 if " " in name or name in ("login", "queues") else 2
    assert wanted <= len(examples) <= 5


@pytest.mark.parametrize(("name", "command"), _every_command())
def test_every_option_and_argument_says_what_it_is_for(name: str, command: Any) -> None:
    for param in command.params:
        assert getattr(param, "hidden", False) or param.help.endswith("."), (name, param.name)
        assert getattr(param, "is_flag", False) or param.metavar, (name, param.name)


def test_examples_use_options_that_exist() -> None:
    commands = dict(_every_command())
    shown = {**EXAMPLES}
    for command in commands.values():
        shown |= example_rows(command.epilog)
    # the longest first: `admin user` is tried before `admin`
    found = {f"{name.rpartition(' ')[0]} " for name in commands if " " in name}
    groups = "|".join(sorted(found, key=len, reverse=True))
    for line in shown:
        for name, options in re.findall(rf"kotta ((?:{groups})?[a-z]+)((?: [^|&]*)?)", line):
            known = {opt for param in commands[name].params for opt in param.opts}
            assert (
                set(
                    re.findall(
                        r"(?<= )(?:--[a-z-]+|-[a-zA-Z](?![a-z]))", options.partition(" -- ")[0]
                    )
                )
                <= known
            ), line
