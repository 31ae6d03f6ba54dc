"""`kotta token`: logins, and tokens for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, one_of, span_seconds
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models.accounts import Token
    from kotta_cli.context import App
    from kotta_cli.render.listing import Cell

SCOPES = ["read", "write", "admin"]

app = command_app("Tokens for scripts, and your logins.")


@app.command("list", cls=Command, epilog=examples({"kotta token list": "Yours that count"}))
def list_tokens(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """List your logins and tokens."""
    from kotta_cli.render.listing import print_listing

    app: App = ctx.obj
    app.as_json = as_json
    print_listing(
        app,
        list(app.client.tokens.list()),
        titles=["ID", "KIND", "LABEL…", "SCOPES", "USED", "UNTIL"],
        cells=_cells,
        plain=_plain,
        nothing="Nobody is logged in, and there is no token.",
    )
    return ExitCode.OK


@app.command(
    "create",
    cls=Command,
    epilog=examples(
        {
            "kotta token create --scope read --expires 30d": "Good to look, for a month",
            "KOTTA_TOKEN=$(kotta token create --expires 1d) make": "For one run of a script",
        }
    ),
)
def create(
    ctx: typer.Context,
    label: Annotated[
        str, typer.Option("--label", metavar="TEXT", help="What to call it in lists; script.")
    ] = "script",
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="SCOPE", help="read, write, admin; read and write."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="How long it counts: 12h, 30d; for ever."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Make a token for scripts, and print it.

    It is told once and kept nowhere. A script gives it in the variable KOTTA_TOKEN, or to `kotta
    login --with-token`.
    """
    app: App = ctx.obj
    app.as_json = as_json
    wanted = [one_of(scope, SCOPES, "scope") for scope in scopes or ["read", "write"]]
    seconds = None if expires is None else span_seconds("--expires", expires)
    made = app.client.tokens.create(label, wanted, expires_in_seconds=seconds)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, made)
    else:
        app.print(made.token)
        if app.err.is_tty and app.out.is_tty:
            app.note("It is not shown again. `kotta token revoke " + made.id[:8] + "` ends it.")
    return ExitCode.OK


@app.command(
    "revoke",
    cls=Command,
    epilog=examples({"kotta token revoke 3f1c2d4e": "By the start of its id"}),
)
def revoke(
    ctx: typer.Context,
    tokens: Annotated[
        list[str], typer.Argument(metavar="TOKEN...", help="Id or its start, as listed.")
    ],
    as_json: JsonOption = False,
) -> int:
    """End logins or tokens at once."""
    from kotta.errors import NotFoundError

    app: App = ctx.obj
    app.as_json = as_json
    known = app.client.tokens.list()
    chosen: list[Token] = []
    for word in tokens:
        fitting = [token for token in known if token.id.startswith(word)]
        if len(fitting) != 1 or not word:
            much = "several of your tokens begin" if fitting else "none of your tokens begins"
            raise NotFoundError(f"{much} with `{word}`", hint="kotta token list")
        chosen += [token for token in fitting if token not in chosen]
    for token in chosen:
        app.client.tokens.revoke(token.id)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, chosen)
    else:
        for token in chosen:
            app.print(token.id)
    return ExitCode.OK


def _plain(token: Token) -> list[str]:
    from kotta_cli.render.times import rfc3339

    times = (token.created_at, token.last_used_at, token.expires_at)
    return [
        token.id,
        token.kind,
        token.label,
        ",".join(token.scopes),
        *("" if moment is None else rfc3339(moment) for moment in times),
    ]


def _cells(token: Token) -> list[Cell]:
    from datetime import datetime, timezone

    from kotta_cli.render.times import ago, local_time

    now = datetime.now(timezone.utc)
    return [
        (token.id[:8], "cyan"),
        (token.kind, ""),
        (token.label + ("  (this one)" if token.is_current else ""), ""),
        (", ".join(token.scopes), ""),
        ("never" if token.last_used_at is None else ago(token.last_used_at, now), "dim"),
        ("-" if token.expires_at is None else local_time(token.expires_at)[:16], "dim"),
    ]
