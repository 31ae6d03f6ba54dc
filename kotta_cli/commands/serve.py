"""`kotta serve`: the service itself, in the foreground. The one module here that imports it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, UsageProblem
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App
    from kotta_service.settings import Settings

app = command_app()


@app.command(
    "serve",
    cls=Command,
    epilog=examples(
        {
            "kotta serve --check": "Say what is wrong with the settings",
            "kotta serve --settings /etc/kotta.toml": "For everybody who has a login",
            "kotta serve --local": "For yourself, in place of the local service",
        }
    ),
)
def serve(
    ctx: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="Settings, in TOML."),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Listen on this address.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=0, max=65_535, help="TCP port; 0 is any."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Keep everything in this directory."),
    ] = None,
    socket: Annotated[
        Path | None,
        typer.Option("--socket", metavar="PATH", help="Socket for whoever runs the service."),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Listen on the socket alone, not on the network.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Serve nothing; say what is wrong with the settings.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Run the service in the foreground, for others too.

    It listens on TCP, where every request needs a token, and on a Unix socket that only you can
    reach, by which you administer it. Its log goes to stderr. Ctrl-C ends it; running jobs run on.
    """
    from kotta import paths
    from kotta_cli.context import collect_garbage_again
    from kotta_service.serving import serve_local, serve_shared

    app: App = ctx.obj
    app.as_json = as_json
    if as_json and not check:
        raise UsageProblem("`--json` is for what `--check` finds")
    if local and (host is not None or port is not None):
        raise UsageProblem("`--local` is for no network, so it has no --host and no --port")
    collect_garbage_again()
    given = _settings(settings, host, port)
    directory = Path(os.path.abspath(data)) if data is not None else paths.data_directory()
    if not local and ((found := _problems(given, directory, ask=check)) or check):
        return _tell(app, given, directory, settings, found)
    listen_at = Path(os.path.abspath(socket)) if socket is not None else None
    listen_at = listen_at or paths.socket_path(directory)
    try:
        if local:
            app.note(f"Serving at unix:{listen_at} with data in {directory}; Ctrl-C ends it.")
            serve_local(socket=listen_at, data=directory, idle_stop_seconds=0, log_to_stderr=True)
        else:
            serve_shared(
                given,
                socket=listen_at,
                data=directory,
                on_ready=lambda url: _say_where(app, given, url, directory),
            )
    except KeyboardInterrupt:
        # It has left as it should by now, and was meant to.
        return ExitCode.OK
    return ExitCode.OK


def _settings(file: Path | None, host: str | None, port: int | None) -> Settings:
    from kotta_service.settings import load_settings

    settings = load_settings(file)
    options: dict[str, Any] = {"host": host, "port": port}
    given = {name: value for name, value in options.items() if value is not None}
    return settings.model_copy(update={"serve": settings.serve.model_copy(update=given)})


def _problems(settings: Settings, data: Path, *, ask: bool) -> list[str]:
    from kotta_service import deployment

    found = deployment.problems(settings, data)
    return found or (deployment.asked(settings, data) if ask else [])


def _say_where(app: App, settings: Settings, url: str, data: Path) -> None:
    # what reads a log of objects has it in one of those
    if app.err.is_tty or settings.serve.log_format == "text":
        app.note(f"Serving at {url} with data in {data}; Ctrl-C ends it.")


def _tell(app: App, settings: Settings, data: Path, file: Path | None, found: list[str]) -> int:
    from kotta_cli.render.plain_text import one_line
    from kotta_service import deployment
    from kotta_service.settings import settings_file

    serves = None if found else deployment.summary(settings, data)
    warnings = [] if found else deployment.warnings(settings, data, settings_file(file)[0])
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"problems": found, "warnings": warnings, "serves": serves})
    for words in found:
        app.note(f"error: {one_line(words)}")
    for words in warnings:
        app.note(f"warning: {one_line(words)}")
    if serves is not None and not app.as_json:
        _render(app, serves)
    return ExitCode.ERROR if found else ExitCode.OK


def _render(app: App, serves: dict[str, Any]) -> None:
    queues = [f"{name} (isolation: {kind})" for name, kind in serves["queues"].items()]
    tls = serves["certificate_ends_at"]
    facts = {
        "Users type": serves["url"],
        "Listens on": f"{serves['host']}, port {serves['port'] or 'any'}",
        "TLS": f"certificate until {tls[:10]}" if tls else "none",
        "Believes": ", ".join(serves["trusted_proxies"]) or "no proxy",
        "Login": ", ".join(serves["login"]),
        "Data": serves["data_directory"],
        "Queues": ", ".join(queues),
    }
    for label, value in facts.items():
        app.print(f"{label}: {value}")
    app.print("These settings can be served.")
