"""What the pages of one command show: its help, its page in `docs/`, and its man page."""

from __future__ import annotations

from typing import Any, NamedTuple

Rows = dict[str, str]
"""Term → what it means."""

HELP_TERM = "-h, --help"


class CommandShape(NamedTuple):
    """One command, in the order of its help page.

    Attributes:
        path: how it is called, such as `kotta service stop`.
        paragraphs: what it does; the first is its summary.
        usage: the line that shows how it is called.
        commands: those below it.
        panels: title → options; the one that every command has, `Options`, comes last.
        examples: command line → what it does.
    """

    path: str
    paragraphs: list[str]
    usage: str
    commands: Rows
    arguments: Rows
    panels: dict[str, Rows]
    examples: Rows


def command_shape(command: Any, path: str) -> CommandShape:
    """Read from a Typer command what pages show of it."""
    arguments: dict[str, Any] = {}
    panels: dict[str, Rows] = {}
    for param in command.params:
        if param.param_type_name == "argument":
            arguments[param.metavar] = param
        elif not param.hidden:
            panel = getattr(param, "rich_help_panel", None) or "Options"
            panels.setdefault(panel, {})[option_term(param)] = param.help or ""
    below: dict[str, Any] = getattr(command, "commands", {})
    wanted = [term if param.required else f"[{term}]" for term, param in arguments.items()]
    if getattr(command, "takes_command_line", False):
        wanted.append("[-- COMMAND...]")
    start = [path, "COMMAND"] if below else [path]
    options = {**panels.pop("Options", {}), HELP_TERM: "Show this page and exit."}
    return CommandShape(
        path=path,
        paragraphs=[" ".join(text.split()) for text in (command.help or "").split("\n\n")],
        usage=" ".join([*start, "[OPTIONS]", *wanted]),
        commands={name: sub.help.split("\n")[0] for name, sub in below.items()},
        arguments={term: param.help or "" for term, param in arguments.items()},
        panels={**panels, "Options": options},
        examples=example_rows(command.epilog),
    )


def option_term(param: Any) -> str:
    """An option as pages write it, such as `-p, --profile NAME`."""
    short = [name for name in param.opts if not name.startswith("--")]
    long = [name for name in param.opts if name.startswith("--")]
    term = ", ".join(short + long)
    if term == "--json":
        return "--json [FIELDS]"  # a flag to Typer; see `kotta_cli.json_fields`
    return term if param.is_flag else f"{term} {param.metavar}"


def examples(rows: Rows) -> str:
    """Commands and what they do, in the form in which a command carries them: its epilog."""
    return "\n".join(f"{command}\t{meaning}" for command, meaning in rows.items())


def example_rows(epilog: str | None) -> Rows:
    """What `examples` has packed."""
    rows = {}
    for line in (epilog or "").splitlines():
        command, _, meaning = line.partition("\t")
        rows[command] = meaning
    return rows
