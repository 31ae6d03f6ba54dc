"""`kotta logout`: the end of a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "logout",
    cls=Command,
    epilog=examples(
        {
            "kotta logout": "At the service that commands talk to",
            "kotta logout https://kotta.example.org": "At another",
        }
    ),
)
def logout(
    ctx: typer.Context,
    server: Annotated[
        str | None, typer.Argument(metavar="SERVER", help="Address of the service.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """End a login.

    The service is told, so that its tokens count no longer, and they are forgotten here. Commands
    talk to the local service afterwards.
    """
    from kotta import login
    from kotta.config import find_server

    app: App = ctx.obj
    app.as_json = as_json
    meant = find_server(app.server, app.profile)
    is_local = meant.is_local or meant.address.startswith("unix:")
    address = server or ("" if is_local else meant.address)
    ended = bool(address) and login.end(login.checked(address))
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"server": address or "local", "logged_out": ended})
    elif ended:
        app.print(f"Logged out of {address}.")
    else:
        app.note(f"There is no login at {address or 'the local service, which needs none'}.")
    return ExitCode.OK
