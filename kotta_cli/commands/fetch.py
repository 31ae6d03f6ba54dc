"""`kotta fetch`: brings home what a job has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JobArgument, JsonOption, QuietOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "fetch",
    cls=Command,
    epilog=examples(
        {
            "kotta fetch @last": "Everything it made",
            "kotta fetch 3f1c2d4e result.csv -o results": "One file, into a folder",
            "kotta fetch simulation --force": "Again, over files that differ",
        }
    ),
)
def fetch(
    ctx: typer.Context,
    job: JobArgument,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Outputs, by name or pattern; all if left out."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder to put them in; one named by the job's id.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Download what a job has made.

    Prints the path of every file. Exits with 0 only if all that was asked for has arrived: with no
    FILE, that is every output the job declared.
    """
    from kotta_cli.fetching import fetch_outputs, print_paths, report_shape

    app: App = ctx.obj
    app.as_json = as_json
    app.quiet = quiet
    chosen = app.client.select(job)
    app.remember([chosen])
    report = fetch_outputs(app, chosen, into=output, names=files or None, force=force)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, report_shape(report))
    else:
        print_paths(app, report)
    return ExitCode.ERROR if report.unavailable else ExitCode.OK
