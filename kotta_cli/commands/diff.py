"""`kotta diff`: what two jobs do not have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()

_STYLES = {"-": "red", "+": "green", "@": "cyan"}


@app.command(
    "diff",
    cls=Command,
    epilog=examples(
        {
            "kotta diff @2 @last": "The newest two",
            "kotta diff 3f1c2d4e fit --json | jq .is_same": "true or false",
        }
    ),
)
def diff(
    ctx: typer.Context,
    first: Annotated[
        str,
        typer.Argument(metavar="JOB", help="Id or its start, name, @last, @2.", show_default=False),
    ],
    second: Annotated[
        str, typer.Argument(metavar="OTHER", help="The job to compare it with.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> int:
    """Show what differs between two jobs.

    First what they were asked to do, scripts line by line, then how they ended and what they made,
    then their times and memory. The exit code is 0 whether they differ or not.
    """
    from kotta_cli.differences import compare, lines
    from kotta_cli.selecting import chosen_one

    app: App = ctx.obj
    app.as_json = as_json
    one, other = (app.client.status(chosen_one(app, word)) for word in (first, second))
    app.remember([one, other])
    found = compare(one, other)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, found.shape())
        return 0
    if found.is_same and app.err.is_tty:
        app.note("They were asked for the same, and ended the same.")
    for line in lines(found):
        _print(app, line)
    return 0


def _print(app: App, line: str) -> None:
    from kotta_cli.render.plain_text import several_lines
    from kotta_cli.render.states import paint

    style = _STYLES.get(line[:1])
    text = several_lines(line).replace("\n", " ")
    if line.startswith(("---", "+++")):
        style = "bold"
    app.print(paint(text, style, app.out.color) if style else text)
