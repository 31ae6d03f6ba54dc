"""`kotta config`: the user's settings, those of a project, and who says what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from pathlib import Path

    from kotta_cli.config_values import Entry
    from kotta_cli.context import App

app = command_app("Show and change settings and profiles.")

KeyArgument = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="Such as queue, list.limit or profiles.lab.server.", show_default=False
    ),
]
ProjectOption = Annotated[
    bool,
    typer.Option("--project", help="In the project's kotta.toml, not your own file."),
]


@app.callback()
def config(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), color=ctx.color)


@app.command(
    "get",
    cls=Command,
    epilog=examples(
        {
            "kotta config get queue": "What counts here",
            "kotta config get profiles.lab.server": "Where a profile's service is",
        }
    ),
)
def get(ctx: typer.Context, key: KeyArgument, as_json: JsonOption = False) -> int:
    """Print what a setting is.

    That is what commands go by here: the environment goes over the project's file, that over your
    own, that over the default. Exit code 1 if it has no value.
    """
    from kotta_cli.config_values import entry_of

    app: App = ctx.obj
    app.as_json = as_json
    entry = entry_of(app, key)
    if as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, entry.shape())
    elif entry.value is not None:
        app.print(entry.text)
    return ExitCode.ERROR if entry.value is None else ExitCode.OK


@app.command(
    "set",
    cls=Command,
    epilog=examples(
        {
            "kotta config set profiles.lab.server https://kotta.example.org": "A profile",
            "kotta config set profile lab": "Use it from now on",
            "kotta config set --project walltime 30": "For what is below this folder",
        }
    ),
)
def set_(
    ctx: typer.Context,
    key: KeyArgument,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="A list is written a,b,c.", show_default=False)
    ],
    project: ProjectOption = False,
    as_json: JsonOption = False,
) -> int:
    """Change a setting.

    Comments and the order of the file stay as they are.
    """
    from kotta.config_writing import set_value
    from kotta_cli.config_values import parsed, target

    app: App = ctx.obj
    app.as_json = as_json
    path = target(project=project)
    set_value(path, key, parsed(key, value, project=project), is_project=project)
    _tell_what_counts(app, key, path)
    return ExitCode.OK


@app.command(
    "unset",
    cls=Command,
    epilog=examples(
        {
            "kotta config unset queue": "The default again",
            "kotta config unset profiles.lab": "A whole profile",
        }
    ),
)
def unset(
    ctx: typer.Context,
    key: KeyArgument,
    project: ProjectOption = False,
    as_json: JsonOption = False,
) -> int:
    """Remove a setting, or a whole profile.

    Exit code 1 if it was not set there.
    """
    from kotta.config_writing import unset_value
    from kotta.errors import NotFoundError
    from kotta_cli.config_values import checked_key, target

    app: App = ctx.obj
    app.as_json = as_json
    path = target(project=project)
    checked_key(key, profile_is_enough=True)
    if not unset_value(path, key, is_project=project):
        raise NotFoundError(f"{path} does not set `{key}`", hint="kotta config list --show-origin")
    _tell_what_counts(app, key, path)
    _say_what_is_missing(app)
    return ExitCode.OK


@app.command(
    "list",
    cls=Command,
    epilog=examples(
        {
            "kotta config list": "Every setting, and your profiles",
            "kotta config list --show-origin": "Who says so: a variable, a file, or nobody",
        }
    ),
)
def list_settings(
    ctx: typer.Context,
    show_origin: Annotated[bool, typer.Option("--show-origin", help="Show who says so.")] = False,
    as_json: JsonOption = False,
) -> int:
    """List all settings as they count here, and your profiles."""
    from kotta_cli.config_values import entries, ignored_project_file

    app: App = ctx.obj
    app.as_json = as_json
    found = entries(app)
    if as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, [entry.shape() for entry in found])
        return ExitCode.OK
    _render(app, found, show_origin=show_origin)
    if words := ignored_project_file():
        app.note(words)
    return ExitCode.OK


@app.command(
    "path",
    cls=Command,
    epilog=examples({"kotta config path": "Your own file, there or not"}),
)
def path(ctx: typer.Context, project: ProjectOption = False, as_json: JsonOption = False) -> int:
    """Print where the file is that settings are written to."""
    from kotta_cli.config_values import target

    app: App = ctx.obj
    app.as_json = as_json
    file = str(target(project=project))
    if as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"path": file})
    else:
        app.print(file)
    return ExitCode.OK


@app.command(
    "edit",
    cls=Command,
    epilog=examples({"kotta config edit": "In VISUAL or EDITOR"}),
)
def edit(ctx: typer.Context, project: ProjectOption = False, as_json: JsonOption = False) -> int:
    """Edit the file, and keep it only if it makes sense.

    You edit a copy. It takes the place of the file when the editor has ended and everything in it
    is understood; else you are told what is wrong, and can go on.
    """
    from kotta_cli.config_editing import Edit, edit_file
    from kotta_cli.config_values import target

    app: App = ctx.obj
    app.as_json = as_json
    file = target(project=project)
    end = edit_file(app, file, is_project=project)
    if as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"path": str(file), "changed": end is Edit.CHANGED})
    return ExitCode.ERROR if end is Edit.GIVEN_UP else ExitCode.OK


def _tell_what_counts(app: App, key: str, path: Path) -> None:
    """A person who sets what has no effect here should hear of it; a program hears what has."""
    from kotta.errors import ConfigError
    from kotta_cli.config_values import entry_of

    try:
        entry = entry_of(app, key, is_known=True)
    except ConfigError:
        if app.as_json:
            raise
        return  # what is wrong elsewhere is told where it matters
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, entry.shape())
    elif entry.value is not None and entry.origin not in (str(path), "default"):
        app.note(f"`{key}` is still `{entry.text}` here: {entry.origin} says so.")


def _say_what_is_missing(app: App) -> None:
    """A person who removes the profile they use should hear of it before the next command fails."""
    from kotta.errors import ConfigError

    try:
        app.config.server(app.server, app.profile)
    except ConfigError as error:
        app.note(error.message)


def _render(app: App, found: list[Entry], *, show_origin: bool) -> None:
    rows = [
        [entry.key, entry.text, *([entry.origin] if show_origin else [])]
        for entry in found
        if entry.value is not None or not app.out.is_tty
    ]
    if not app.out.is_tty:
        app.out.write("".join("\t".join(row) + "\n" for row in rows))
        return
    from rich.text import Text

    from kotta_cli.render.columns import columns_of
    from kotta_cli.render.plain_text import one_line

    console = app.out.console()
    styles = ["cyan", "", "dim"]
    cells = [
        [Text(one_line(cell), style=style) for cell, style in zip(row, styles, strict=False)]
        for row in rows
    ]
    titles = ["SETTING", "VALUE…", *(["SAID BY"] if show_origin else [])]
    console.print(*columns_of(titles, cells, width=console.width), sep="\n")
