"""`kotta logs`: what a job writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JobArgument, one_of
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App

app = command_app()


@app.command(
    "logs",
    cls=Command,
    epilog=examples(
        {
            "kotta logs @last": "Both streams, each to its own",
            "kotta logs -f simulation": "As it comes, until the job has ended",
            "kotta logs 3f1c2d4e --stream stderr > errors.txt": "One stream, byte for byte",
        }
    ),
)
def logs(
    ctx: typer.Context,
    job: JobArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
    ] = False,
    stream: Annotated[
        str | None,
        typer.Option("--stream", metavar="STREAM", help="stdout or stderr; both if left out."),
    ] = None,
) -> int:
    """Show what a job writes to stdout and stderr.

    Its stdout goes to stdout, its stderr to stderr: in a pipe byte for byte, on a terminal without
    control sequences other than colours.
    """
    from kotta_cli.job_output import follow_streams, print_streams

    app: App = ctx.obj
    streams = [one_of(stream, ["stdout", "stderr"], "stream")] if stream else ["stdout", "stderr"]
    chosen: Job = app.client.select(job)
    app.remember([chosen])
    if follow:
        follow_streams(app, chosen, streams)
        return 0
    if not print_streams(app, chosen, streams) and app.err.is_tty:
        app.note(f"Nothing written so far; the job is {chosen.status.value}.")
    return 0
