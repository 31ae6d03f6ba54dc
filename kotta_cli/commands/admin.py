"""`kotta admin`: what whoever keeps a shared service does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.commands import admin_restore, admin_upkeep
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, UsageProblem, one_of
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models.accounts import Invitation, User
    from kotta_cli.context import App
    from kotta_cli.render.listing import Cell

ROLES = ["user", "admin"]
MAX_DIGITS = 15
LIMITS = ["queued", "running", "cores", "storage_mib"]

app = command_app("Keep a service in order: its users, and all that it keeps.")
user = command_app("Users: who may log in, as what, and how much they may have.")
app.add_typer(user, name="user")
app.add_typer(admin_upkeep.app)
app.add_typer(admin_restore.app)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The user's name.")]


@user.command(
    "add",
    cls=Command,
    epilog=examples({"kotta admin user add ada ada@example.org": "Prints a link to hand over"}),
)
def add(
    ctx: typer.Context,
    name: UserArgument,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Their address of mail.")],
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="user or admin; user.")
    ] = "user",
    as_json: JsonOption = False,
) -> int:
    """Add a user, and print a link by which they choose a password.

    The link counts once, for a week: hand it over as you would a key.
    """
    app: App = ctx.obj
    app.as_json = as_json
    one_of(role, ROLES, "role")
    _print_invitation(app, app.client.users.add(name, email, role))
    return ExitCode.OK


@user.command("list", cls=Command, epilog=examples({"kotta admin user list": "Everybody"}))
def list_users(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """List everybody who may log in."""
    from kotta_cli.render.listing import print_listing

    app: App = ctx.obj
    app.as_json = as_json
    print_listing(
        app,
        list(app.client.users.list()),
        titles=["NAME", "EMAIL…", "ROLE", "STATE", "LIMITS"],
        cells=_cells,
        plain=_plain,
        nothing="No users yet. `kotta admin user add NAME EMAIL` adds one.",
    )
    return ExitCode.OK


@user.command(
    "invite", cls=Command, epilog=examples({"kotta admin user invite ada": "After a lost password"})
)
def invite(ctx: typer.Context, name: UserArgument, as_json: JsonOption = False) -> int:
    """Print a new link by which a user chooses a password; the one before counts no longer."""
    app: App = ctx.obj
    app.as_json = as_json
    _print_invitation(app, app.client.users.invite(name))
    return ExitCode.OK


@user.command(
    "disable", cls=Command, epilog=examples({"kotta admin user disable ada": "Out at once"})
)
def disable(ctx: typer.Context, name: UserArgument, as_json: JsonOption = False) -> int:
    """Keep a user out: logged out everywhere at once; their jobs stay and run on."""
    return _change(ctx.obj, name, {"disabled": True}, as_json=as_json)


@user.command("enable", cls=Command, epilog=examples({"kotta admin user enable ada": "In again"}))
def enable(ctx: typer.Context, name: UserArgument, as_json: JsonOption = False) -> int:
    """Let a user in again who was kept out."""
    return _change(ctx.obj, name, {"disabled": False}, as_json=as_json)


@user.command(
    "role", cls=Command, epilog=examples({"kotta admin user role ada admin": "One keeper more"})
)
def role(
    ctx: typer.Context,
    name: UserArgument,
    wanted: Annotated[str, typer.Argument(metavar="ROLE", help="user or admin.")],
    as_json: JsonOption = False,
) -> int:
    """Make a user an administrator, or an administrator a user."""
    return _change(ctx.obj, name, {"role": one_of(wanted, ROLES, "role")}, as_json=as_json)


@user.command(
    "limit",
    cls=Command,
    epilog=examples(
        {
            "kotta admin user limit ada queued=10000 cores=64": "More than everybody",
            "kotta admin user limit ada": "As everybody",
        }
    ),
)
def limit(
    ctx: typer.Context,
    name: UserArgument,
    limits: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LIMIT=N...", help="queued, running, cores, storage_mib; none: as everybody."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Give a user other limits than everybody has; those not named are as everybody's."""
    return _change(ctx.obj, name, {"limits": dict(map(_limit, limits or []))}, as_json=as_json)


def _limit(word: str) -> tuple[str, int]:
    name, _, text = word.partition("=")
    one_of(name, LIMITS, "limit")
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise UsageProblem(f"`{word}` is no limit", hint=f"{name}=100")
    return name, int(text)


def _change(app: App, name: str, changes: dict[str, object], *, as_json: bool) -> int:
    from kotta_cli.render.plain_text import one_line

    app.as_json = as_json
    found = app.client.users.change(name, changes)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, found)
    else:
        app.print("\t".join(one_line(text) for text in _plain(found)))
    return ExitCode.OK


def _print_invitation(app: App, found: Invitation) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, found)
        return
    app.print(found.url)
    if app.err.is_tty:
        from kotta_cli.render.times import local_time

        app.note(f"It counts once, until {local_time(found.expires_at)}.")


def _plain(each: User) -> list[str]:
    from kotta_cli.render.times import rfc3339

    limits = ",".join(f"{name}={value}" for name, value in each.limits.items())
    state = "disabled" if each.disabled else "enabled"
    return [each.name, each.email, each.role, state, rfc3339(each.created_at), limits]


def _cells(each: User) -> list[Cell]:
    limits = ", ".join(f"{name} {value}" for name, value in each.limits.items())
    return [
        (each.name, "cyan"),
        (each.email, ""),
        (each.role, "yellow" if each.role == "admin" else ""),
        ("disabled", "red") if each.disabled else ("enabled", "green"),
        (limits or "-", "dim"),
    ]
