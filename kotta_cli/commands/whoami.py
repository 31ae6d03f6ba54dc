"""`kotta whoami`: who the service takes one for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "whoami",
    cls=Command,
    epilog=examples(
        {
            "kotta whoami": "At the service that commands talk to",
            "kotta whoami --json name": "The name",
        }
    ),
)
def whoami(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """Say who the service takes you for."""
    from kotta_cli.render.plain_text import one_line

    app: App = ctx.obj
    app.as_json = as_json
    who = app.client.whoami()
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, who)
    elif app.out.is_tty:
        mail = f" ({one_line(who.email)})" if who.email else ""
        role = ", an administrator," if who.role == "admin" else ""
        app.print(f"You are {one_line(who.name)}{mail}{role} at {one_line(who.server)}.")
        app.print(f"This login is good for: {', '.join(who.scopes)}.")
        if who.limits:
            told = (f"{each.used} of {each.limit} {one_line(each.name)}" for each in who.limits)
            app.print(f"You have {', '.join(told)}.")
    else:
        values = (who.name, who.email, who.role, ",".join(who.scopes), who.server)
        limits = ",".join(f"{each.name}={each.used}/{each.limit}" for each in who.limits)
        app.print("\t".join(map(one_line, (*values, limits))))
    return ExitCode.OK
