"""`kotta login`: says that none is needed, or that it is not to be had yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "login",
    cls=Command,
    epilog=examples({"kotta login": "Says what the commands talk to"}),
)
def login(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """Log in to a shared service.

    The local service needs no login: only you can reach it. Login to shared services is not part of
    this release.
    """
    app: App = ctx.obj
    app.as_json = as_json
