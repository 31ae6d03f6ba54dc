"""The help page of one command, drawn from what Typer knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kotta_cli.help_page import HelpPage, Rows, page_width, terminal_columns

if TYPE_CHECKING:
    from kotta_cli.context import App


def command_page(command: Any, ctx: Any) -> str:
    """The help page of one command."""
    from kotta_cli.tree import CommandLine

    width, color = paper(ctx)
    page = HelpPage(width, color=color)
    for paragraph in (command.help or "").split("\n\n"):
        page.paragraph(paragraph)
    arguments: dict[str, Any] = {}
    panels: dict[str, Rows] = {}
    for param in command.get_params(ctx):
        if param.param_type_name == "argument":
            arguments[param.metavar] = param
        elif "--help" not in param.opts and not param.hidden:
            panel = getattr(param, "rich_help_panel", None) or "Options"
            panels.setdefault(panel, {})[option_term(param)] = param.help or ""
    below: dict[str, Any] = getattr(command, "commands", {})
    subcommands = {name: sub.help.split("\n")[0] for name, sub in below.items()}
    wanted = [term if param.required else f"[{term}]" for term, param in arguments.items()]
    path = [ctx.command_path, "COMMAND"] if below else [ctx.command_path]
    if isinstance(command, CommandLine):
        wanted.append("[-- COMMAND...]")
    page.usage(" ".join([*path, "[OPTIONS]", *wanted]))
    # what every command has comes last
    options = {**panels.pop("Options", {}), "-h, --help": "Show this page and exit."}
    panels["Options"] = options
    terms = [term for rows in panels.values() for term in rows]
    column = max(map(len, [*arguments, *terms, *subcommands]))
    page.table("Commands", subcommands, term_width=column)
    page.table("Arguments", {term: p.help for term, p in arguments.items()}, term_width=column)
    for title, rows in panels.items():
        page.table(title, rows, term_width=column)
    page.table("Examples", example_rows(command.epilog))
    return page.text()


def option_term(param: Any) -> str:
    """An option as help pages write it, such as `-p, --profile NAME`."""
    short = [name for name in param.opts if not name.startswith("--")]
    long = [name for name in param.opts if name.startswith("--")]
    term = ", ".join(short + long)
    return term if param.is_flag else f"{term} {param.metavar}"


def examples(rows: dict[str, str]) -> str:
    """Commands and what they do, in the form in which a command carries them: its epilog."""
    return "\n".join(f"{command}\t{meaning}" for command, meaning in rows.items())


def example_rows(epilog: str | None) -> dict[str, str]:
    """What `examples` has packed."""
    rows = {}
    for line in (epilog or "").splitlines():
        command, _, meaning = line.partition("\t")
        rows[command] = meaning
    return rows


def paper(ctx: Any) -> tuple[int, bool]:
    app: App = ctx.obj
    # Typer strips colours from what it prints unless it is told.
    ctx.color = app.out.color
    return page_width(terminal_columns(1) if app.out.is_tty else None), app.out.color
