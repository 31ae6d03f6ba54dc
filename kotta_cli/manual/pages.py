"""The page of a command in `docs/commands/`: its made part, and a first page for a new command."""

from __future__ import annotations

import textwrap

from kotta_cli.command_shape import HELP_TERM, CommandShape, Rows, command_shape
from kotta_cli.manual.json_page import words_of
from kotta_cli.manual.parts import keys, part, with_part
from kotta_cli.manual.schemas import Schema
from kotta_cli.tree import below, load

_WIDTH = 106
"""Of the lines of a page."""


def shapes(name: str) -> list[CommandShape]:
    """A command, and those below it."""
    return [
        command_shape(command, f"kotta {path}") for path, command in below(name, load(name)).items()
    ]


def page(commands: list[CommandShape], schemas: dict[str, Schema], text: str) -> str:
    """The page as it should be, made from what it is; an empty one is begun."""
    top, *others = commands
    text = text or f"# {top.path}\n\n{part(top.path, '')}\n{_prose(top)}{_first_examples(commands)}"
    for command in others:
        if command.path not in keys(text):
            text = _with_section(text, command)
    for command in commands:
        text = with_part(
            text, command.path, _part(command, schemas.get(command.path.removeprefix("kotta ")))
        )
    return text


def _with_section(text: str, command: CommandShape) -> str:
    """The page with a section for a command below, before the first section that is not of one."""
    section = f"## {command.path}\n\n{part(command.path, '')}\n{_prose(command)}"
    group = command.path.rpartition(" ")[0]
    at = 0
    for heading in (line for line in text.splitlines() if line.startswith("## ")):
        if not heading.startswith(f"## {group} "):
            at = text.index(f"\n{heading}\n") + 1
            break
    return f"{text[:at]}{section}{text[at:]}" if at else f"{text}\n{section}"


def _prose(command: CommandShape) -> str:
    return "".join(f"{textwrap.fill(text, _WIDTH)}\n\n" for text in command.paragraphs[1:])


def _first_examples(commands: list[CommandShape]) -> str:
    rows = {line: meaning for command in commands for line, meaning in command.examples.items()}
    column = max(map(len, rows), default=0)
    lines = "".join(f"{line:<{column}}  # {meaning}\n" for line, meaning in rows.items())
    return f"## Examples\n\n```sh\n{lines}```\n"


def _part(command: CommandShape, schema: Schema | None) -> str:
    tables = [_table("command", command.commands), _table("argument", command.arguments)]
    for title, rows in command.panels.items():
        shown = {term: meaning for term, meaning in rows.items() if term != HELP_TERM}
        tables.append(_table("option" if title == "Options" else title, shown))
    usage = f"```\n{command.usage}\n```"
    shape = words_of(schema, "../json.md") if schema else ""
    article = "a " if shape.startswith("list of ") else ""
    printed = f"`--json` prints {article}{shape}." if shape else ""
    return "\n\n".join(filter(None, [usage, command.paragraphs[0], *tables, printed]))


def _table(title: str, rows: Rows) -> str:
    if not rows:
        return ""
    lines = (f"| `{_cell(term)}` | {_cell(meaning)} |" for term, meaning in rows.items())
    return "\n".join([f"| {title} | meaning |", "|---|---|", *lines])


def _cell(text: str) -> str:
    # `<` outside of code would begin an element, `*` emphasis.
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text
