"""`kotta cat`: output files on stdout."""

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
    "cat",
    cls=Command,
    epilog=examples(
        {
            "kotta cat @last:result.csv": "One file",
            "kotta cat 3f1c2d4e:'*.csv' > all.csv": "Several, one after another",
        }
    ),
)
def cat(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="JOB:FILE...",
            help="A job and its output, by name or pattern.",
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> int:
    """Write jobs' output files to stdout.

    In a pipe byte for byte; on a terminal without control sequences other than colours. Exits with
    an error if what has come at a file's end is not what the service keeps. With --json, each file
    is a text in an object, or base64 where it is no UTF-8.
    """
    from kotta_cli.job_files import outputs_meant
    from kotta_cli.printing_files import contents, print_file

    app: App = ctx.obj
    app.as_json = as_json
    meant = outputs_meant(app, files)
    if as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, [contents(app, job, output) for job, output in meant])
        return ExitCode.OK
    for job, output in meant:
        print_file(app, job, output)
    return ExitCode.OK
