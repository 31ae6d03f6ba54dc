"""`kotta service`: the local service, which starts by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import ServiceInfo
    from kotta_cli.context import App

_STOP_SECONDS = 20

app = command_app("Show or stop the local service, or read its log.")


@app.callback()
def service(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), color=ctx.color)


@app.command(
    "status",
    cls=Command,
    epilog=examples({"kotta service status": "Exit code 1 if it does not run"}),
)
def status(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """Show the local service, without starting it."""
    app: App = ctx.obj
    app.as_json = as_json
    info = app.client.peek_service()
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"running": info is not None, "service": info})
    elif info is None:
        app.print(
            "The local service is not running. It starts with the next command that needs it."
        )
    else:
        _render(app, info)
    return ExitCode.OK if info is not None else ExitCode.ERROR


@app.command(
    "stop",
    cls=Command,
    epilog=examples({"kotta service stop": "Jobs that run, run on"}),
)
def stop(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """Stop the local service; jobs run on, and the next command starts it again."""
    app: App = ctx.obj
    app.as_json = as_json
    info = app.client.peek_service()
    if info is not None:
        _stop(app, info)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"stopped": info is not None})
    elif info is None:
        app.print("The local service was not running.")
    else:
        app.print(f"Stopped the local service (pid {info.pid}).")
    return ExitCode.OK


@app.command(
    "logs",
    cls=Command,
    epilog=examples({"kotta service logs -f": "Go on as it writes; Ctrl-C ends"}),
)
def logs(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Show the log of the local service, running or not."""
    from kotta_cli.log_file import print_log

    app: App = ctx.obj
    app.as_json = as_json
    print_log(app, _log_file(app), follow=follow)
    return ExitCode.OK


def _stop(app: App, info: ServiceInfo) -> None:
    """Ask it to leave, and wait until it has; asking whether it is there would start it again."""
    import time

    from kotta.errors import UnavailableError

    socket = Path(info.address.removeprefix("unix:"))
    before = _inode(socket)
    app.client.stop_service()
    deadline = time.monotonic() + _STOP_SECONDS
    # Its socket is the last thing that it takes away.
    while before is not None and _inode(socket) == before:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"the local service (pid {info.pid}) has not left within {_STOP_SECONDS} s",
                hint="kotta service logs",
            )
        time.sleep(0.01)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _render(app: App, info: ServiceInfo) -> None:
    from datetime import datetime, timezone

    from kotta_cli.render.pages import Section, print_page
    from kotta_cli.render.times import ago, duration, local_time, rfc3339, size

    now = datetime.now(timezone.utc)
    moment = local_time if app.out.is_tty else rfc3339
    idle = info.idle_stop_seconds
    facts = Section()
    if not app.out.is_tty:
        facts.add("Status", "running")
    facts.add_known("Process", info.pid)
    facts.add("Version", info.version)
    facts.add("Started", f"{ago(info.started_at, now)}  ", (moment(info.started_at), "dim"))
    facts.add("Jobs", f"{info.active_jobs} running, {info.pending_jobs} pending")
    if info.peak_memory_bytes is not None:
        facts.add("Peak memory", size(info.peak_memory_bytes))
    facts.add("Idle stop", f"after {duration(idle)} without jobs and callers" if idle else "never")
    facts.add("Address", info.address)
    facts.add_known("Data", info.data_directory)
    facts.add_known("Log", info.log_file)
    print_page(app, [("The local service is ", ""), ("running", "bold green")], [facts])


def _log_file(app: App) -> Path:
    from kotta import paths
    from kotta.errors import NotFoundError

    info = app.client.peek_service()
    if info is None:
        return paths.data_directory() / "service.log"
    if info.log_file is None:
        raise NotFoundError("the service writes its log to where it was started, not to a file")
    return Path(info.log_file)
