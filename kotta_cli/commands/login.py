"""`kotta login`: says that none is needed, or that it is not to be had yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta.errors import RequestError
from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
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
    from kotta.config import find_server

    app: App = ctx.obj
    app.as_json = as_json
    server = find_server(app.server, app.profile)
    if not server.is_local and not server.address.startswith("unix:"):
        raise RequestError(
            f"login to shared services such as {server.address} is not part of this release",
            hint="without --server and KOTTA_SERVER, commands use your own local service",
            code="login_unsupported",
        )
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(
            app,
            {"login_needed": False, "server": server.address or "local", "origin": server.origin},
        )
    elif server.is_local:
        from kotta.local_service import socket_now

        app.print("No login is needed: commands talk to the local service, which is yours alone.")
        app.print(f"It listens at unix:{socket_now()}")
    else:
        app.print("No login is needed: commands talk to a service on this machine.")
        app.print(f"It listens at {server.address} (as {server.origin} says)")
    return ExitCode.OK
