"""`kotta serve`: the service itself, in the foreground. The one module here that imports it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import UsageProblem
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "serve",
    cls=Command,
    epilog=examples(
        {
            "kotta serve": "In place of the local service",
            "kotta serve --socket /tmp/k/s --data /tmp/k/data": "Apart from it",
        }
    ),
)
def serve(
    ctx: typer.Context,
    socket: Annotated[
        Path | None,
        typer.Option(
            "--socket", metavar="PATH", help="Listen on this Unix socket.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Keep everything in this directory."),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="ADDRESS", hidden=True)] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="PORT", hidden=True)] = None,
) -> int:
    """Run the service in the foreground.

    It listens on a Unix socket that only you can reach, writes its log to stderr, and stays until
    Ctrl-C or `kotta service stop`. Running jobs run on without it.
    """
    if host is not None or port is not None:
        raise UsageProblem(
            "serving over TCP is not part of this release",
            hint="leave out --host and --port: the service listens on a Unix socket",
        )

    from kotta import paths
    from kotta_cli.context import collect_garbage_again
    from kotta_service.__main__ import serve as run_service

    app: App = ctx.obj
    collect_garbage_again()
    directory = Path(os.path.abspath(data)) if data is not None else paths.data_directory()
    listen_at = Path(os.path.abspath(socket)) if socket is not None else None
    listen_at = listen_at or paths.socket_path(directory)
    app.note(f"Serving at unix:{listen_at} with data in {directory}; Ctrl-C ends it.")
    try:
        return run_service(
            socket=listen_at, data=directory, idle_stop_seconds=0, log_to_stderr=True
        )
    except KeyboardInterrupt:
        # It has left as it should by now, and was meant to.
        return ExitCode.OK
