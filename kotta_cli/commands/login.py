"""`kotta login`: lets a service know who one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, UsageProblem
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.login import LoggedIn
    from kotta_cli.context import App

app = command_app()


@app.command(
    "login",
    cls=Command,
    epilog=examples(
        {
            "kotta login https://kotta.example.org": "With a code that you enter in a browser",
            "kotta login https://kotta.example.org --with-token < token": "With a token",
            "kotta login https://kotta.example.org --auth-file auth": "As the first clients did",
            "kotta login": "Says what the commands talk to",
        }
    ),
)
def login(
    ctx: typer.Context,
    server: Annotated[
        str | None, typer.Argument(metavar="SERVER", help="Address of the service.")
    ] = None,
    with_token: Annotated[
        bool, typer.Option("--with-token", help="Read a token from stdin.")
    ] = False,
    auth_file: Annotated[
        Path | None,
        typer.Option(
            "--auth-file", metavar="FILE", help="The first clients' file: an address or JSON."
        ),
    ] = None,
    as_admin: Annotated[
        bool, typer.Option("--admin", help="Ask for an administrator's rights too.")
    ] = False,
    trust_pickles: Annotated[
        bool | None,
        typer.Option(
            "--trust-pickles/--no-trust-pickles",
            help="Open results of functions that are pickles, which may run any code here.",
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser; say what to enter.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Log in to a shared service.

    Shows an address and a code to enter there, in any browser on any machine. From then on commands
    talk to that service; `kotta logout` ends it. The local service needs no login: only you can
    reach it.
    """
    from kotta.config import find_server
    from kotta.login import checked
    from kotta_cli.logging_in import by_credentials, by_device

    app: App = ctx.obj
    app.as_json = as_json
    if with_token and auth_file is not None:
        raise UsageProblem("`--with-token` and `--auth-file` are two ways to say the same")
    meant = find_server(app.server, app.profile)
    if server is None and (meant.is_local or meant.address.startswith("unix:")):
        return _none_needed(app, meant.address, meant.origin)
    address = checked(server or meant.address)
    if with_token or auth_file is not None:
        found = by_credentials(app, address, auth_file, trust_pickles)
    else:
        found = by_device(
            app, address, as_admin=as_admin, trust=trust_pickles, open_browser=not no_browser
        )
    _render(app, found)
    return ExitCode.OK


def _render(app: App, found: LoggedIn) -> None:
    if app.as_json:
        from dataclasses import asdict

        from kotta_cli.render.as_json import print_json

        print_json(app, {"login_needed": True, **asdict(found)})
        return
    from kotta import credential_store
    from kotta_cli.render.plain_text import one_line

    where = "the system's keyring" if found.kept_in == "keyring" else credential_store.file()
    app.print(f"Logged in to {found.server} as {one_line(found.user)}.")
    app.note(f"Commands use the profile `{found.profile}` now; the login is kept in {where}.")


def _none_needed(app: App, address: str, origin: str) -> int:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"login_needed": False, "server": address or "local", "origin": origin})
    elif not address:
        from kotta.local_service import socket_now

        app.print("No login is needed: commands talk to the local service, which is yours alone.")
        app.print(f"It listens at unix:{socket_now()}")
    else:
        app.print("No login is needed: commands talk to a service on this machine.")
        app.print(f"It listens at {address} (as {origin} says)")
    return ExitCode.OK
