"""`kotta submit`: a description becomes a job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode, worst_exit_code
from kotta_cli.parameters import JsonOption, QuietOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App

app = command_app()


@app.command(
    "submit",
    cls=Command,
    epilog=examples(
        {
            "kotta submit job.json": "Prints the job's id",
            "kotta submit --script fit.sh --wait": "A script alone; exits as it does",
            "kotta submit job.json --script fit.sh --fetch": "Also download what it made",
            "jq '.walltime = 60' job.json | kotta submit -": "From another program",
        }
    ),
)
def submit(
    ctx: typer.Context,
    description: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Description, in JSON; - is stdin."),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option("--script", metavar="FILE", help="File that becomes the job's script."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for its end, and exit with its exit code.")
    ] = False,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Wait, then download what it made.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Submit a job, or many, from a description.

    Prints the job's id, one line a job. A description that is a list submits all of its jobs or none.
    Ctrl-C while waiting leaves the job running.
    """
    from kotta_cli.descriptions import read_descriptions
    from kotta_cli.fetching import fetch_outputs, report_shape
    from kotta_cli.waiting import wait_for

    app: App = ctx.obj
    app.as_json = as_json
    app.quiet = quiet
    given = read_descriptions(app, description, script)
    jobs = app.client.submit_many(given.descriptions)
    app.remember(jobs)
    if not app.as_json:
        app.out.write("".join(f"{job.id}\n" for job in jobs))
    if not wait and not fetch:
        _say_what_next(app, jobs)
        _print_as_json(app, jobs, one=given.is_one)
        return ExitCode.OK

    ended = wait_for(app, jobs)
    reports = [fetch_outputs(app, job) for job in ended] if fetch else []
    shapes: Sequence[Job | dict[str, Any]] = [
        {**job.model_dump(mode="json"), "fetch": report_shape(report)}
        for job, report in zip(ended, reports, strict=False)
    ]
    _print_as_json(app, shapes or ended, one=given.is_one)
    return worst_exit_code(ended)


def _print_as_json(app: App, jobs: Sequence[Job | dict[str, Any]], *, one: bool) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, jobs[0] if one else list(jobs))


def _say_what_next(app: App, jobs: Sequence[Job]) -> None:
    if app.err.is_tty and app.out.is_tty and not app.quiet and not app.as_json:
        name = jobs[0].id[:8] if len(jobs) == 1 else "..."
        app.note(f"Follow it with `kotta wait {name}`, read it with `kotta logs -f {name}`.")
