"""`kotta cat`: output files on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
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
) -> int:
    """Write jobs' output files to stdout.

    In a pipe byte for byte; on a terminal without control sequences other than colours. Exits with
    an error if what has come at a file's end is not what the service keeps.
    """
    from kotta_cli.job_files import outputs_meant
    from kotta_cli.printing_files import print_file

    app: App = ctx.obj
    for job, output in outputs_meant(app, files):
        print_file(app, job, output)
    return ExitCode.OK
