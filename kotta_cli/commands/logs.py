"""`kotta logs`: what jobs write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JobArguments, JsonOption, UsageProblem, one_of
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "logs",
    cls=Command,
    epilog=examples(
        {
            "kotta logs @last": "Both streams, each to its own",
            "kotta logs -f simulation": "As it comes, until the job has ended",
            "kotta logs -f -n 0 'fit-*'": "What several jobs write from now on",
            "kotta logs 3f1c2d4e --since 10min": "What it wrote lately",
            "kotta logs 3f1c2d4e --stream stderr > errors.txt": "One stream, byte for byte",
        }
    ),
)
def logs(
    ctx: typer.Context,
    jobs: JobArguments,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the jobs have ended.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option(
            "--tail", "-n", metavar="N", min=0, help="Begin so many lines before the end."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="WHEN", help="Begin with what came since: 2d, 90min, or a date."
        ),
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option("--stream", metavar="STREAM", help="stdout or stderr; both if left out."),
    ] = None,
    offset: Annotated[
        int | None,
        typer.Option("--offset", metavar="BYTES", min=0, help="Begin at this byte of the stream."),
    ] = None,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", metavar="N", min=1, help="Of this attempt, not of the latest."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Show what jobs write to stdout and stderr.

    Stdout goes to stdout, stderr to stderr: in a pipe byte for byte, on a terminal without control
    sequences other than colours. With several jobs each line says whose it is. With --json, both
    go to stdout, an object for each line.
    """
    from kotta.api import LogStart
    from kotta_cli import job_fields
    from kotta_cli.job_output import show_streams
    from kotta_cli.selecting import chosen

    app: App = ctx.obj
    app.as_json = as_json
    streams = [one_of(stream, ["stdout", "stderr"], "stream")] if stream else ["stdout", "stderr"]
    moment = None if since is None else job_fields.since(since)
    if offset is not None and not (stream and tail is None and moment is None):
        raise UsageProblem(
            "`--offset` is a place in one stream", hint="--stream stdout, without --tail or --since"
        )
    found = chosen(app, jobs).jobs
    app.remember(found)
    start = LogStart(offset or 0, tail, moment, attempt or 0)
    count = show_streams(app, found, streams, start, follow=follow)
    if not count and not follow and len(found) == 1 and app.err.is_tty and not as_json:
        status = found[0].status
        if start != LogStart(attempt=start.attempt):
            app.note(f"Nothing written there; the job is {status.value}.")
        elif status.is_terminal:
            app.note(f"It wrote nothing; `kotta status {found[0].id[:8]}` shows its files.")
        else:
            app.note(f"Nothing written so far; the job is {status.value}.")
    return 0
