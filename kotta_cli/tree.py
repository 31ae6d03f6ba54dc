"""The tree of commands for Typer, in which a command is imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from kotta_cli.command_page import command_page, paper
from kotta_cli.command_table import SUMMARY, TOPICS, command_names
from kotta_cli.help_page import top_page
from kotta_cli.parameters import UsageProblem, nearest

if TYPE_CHECKING:
    from kotta_cli.context import App

_AFTER_DASHES = "kotta.after_dashes"
_CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}


class Command(TyperCommand):
    """A command whose help page is drawn by us."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(command_page(self, ctx))


class CommandLine(Command):
    """A command that takes another command line after `--`."""

    takes_command_line = True

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        words: list[str] = []
        if "--" in args:
            place = args.index("--")
            words, args = args[place + 1 :], args[:place]
        ctx.meta[_AFTER_DASHES] = words
        return super().parse_args(ctx, args)


def words_after_dashes(ctx: typer.Context) -> list[str]:
    """What stood after `--`."""
    words: list[str] = ctx.meta.get(_AFTER_DASHES, [])
    return words


class Group(TyperGroup):
    """A command with commands below it."""

    topics: tuple[str, ...] = ()
    """What may be meant as well: help topics."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(command_page(self, ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            near = nearest(args[0], [*self.list_commands(ctx), *self.topics])
            path = "kotta help" if near in self.topics else ctx.command_path
            hint = f"did you mean `{path} {near}`?" if near else f"see `{path} --help`"
            raise UsageProblem(f"there is no command `{args[0]}`", hint=hint)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """The top of the tree: knows its commands by the static table."""

    topics = tuple(TOPICS)

    def list_commands(self, ctx: Any) -> list[str]:
        return command_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load(cmd_name) if cmd_name in command_names() else None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        width, color = paper(ctx)
        formatter.write(top_page(width, color=color))


def load(name: str) -> Any:
    """Import one command; the result is what Typer makes of it."""
    module = import_module(f"kotta_cli.commands.{name}")
    command = typer.main.get_command(module.app)
    command.name = name
    return command


def below(name: str, command: Any) -> dict[str, Any]:
    """A command and those below it, however deep, by their paths in the order of their pages."""
    found = {name: command}
    for sub_name, sub in getattr(command, "commands", {}).items():
        found.update(below(f"{name} {sub_name}", sub))
    return found


def root() -> Any:
    """The whole tree, with no command imported yet."""
    app = typer.Typer(
        cls=LazyGroup,
        add_completion=False,
        context_settings=_CONTEXT_SETTINGS,
        invoke_without_command=True,
        rich_markup_mode=None,
        help=SUMMARY,
    )
    app.callback()(_global_options)
    return typer.main.get_command(app)


def command_app(summary: str | None = None) -> typer.Typer:
    """An empty Typer app for the one command of a module, or with a summary for its group."""
    return typer.Typer(
        cls=Group,
        add_completion=False,
        context_settings=_CONTEXT_SETTINGS,
        invoke_without_command=True,
        rich_markup_mode=None,
        help=summary,
    )


def _global_options(
    ctx: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", "-p", metavar="PROFILE", help="Use the settings of this profile."
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", metavar="URL", help="Talk to this service instead of the local one."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version and exit.")
    ] = False,
) -> None:
    app: App = ctx.obj
    if version:
        from kotta._version import __version__

        app.print(f"kotta {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), color=ctx.color)
    app.profile, app.server = profile or app.profile, server or app.server
