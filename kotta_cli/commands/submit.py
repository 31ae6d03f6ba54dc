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
            """echo '{"executable": "date", "walltime": 5}' | kotta submit - -w""": "By hand",
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

    Prints the job's id, one line a job. Of a description that is a list, all jobs are submitted or
    none. Ctrl-C while waiting leaves the job running.
    """
    from kotta_cli.descriptions import read_descriptions
    from kotta_cli.submitting import submit_all

    app: App = ctx.obj
    app.as_json, app.quiet = as_json, quiet
    loaded = read_descriptions(app, description, script)
    jobs = submit_all(app, loaded)
    app.remember(jobs)
    if not app.as_json:
        app.out.write("".join(f"{job.id}\n" for job in jobs))
    if wait or fetch:
        return _follow(app, jobs, is_list=loaded.is_list, fetch=fetch)
    _say_what_next(app, jobs)
    _print_as_json(app, jobs, is_list=loaded.is_list)
    return ExitCode.OK


def _follow(app: App, jobs: Sequence[Job], *, is_list: bool, fetch: bool) -> int:
    from kotta_cli.fetching import fetch_outputs, report_shape
    from kotta_cli.waiting import wait_for

    ended = wait_for(app, jobs)
    if not fetch:
        _print_as_json(app, ended, is_list=is_list)
        return worst_exit_code(ended)
    reports = [fetch_outputs(app, job) for job in ended]
    shapes = [
        {**job.model_dump(mode="json"), "fetch": report_shape(report)}
        for job, report in zip(ended, reports, strict=True)
    ]
    _print_as_json(app, shapes, is_list=is_list)
    if app.err.is_tty and not app.as_json and not app.quiet:
        for report in reports:
            app.note(f"Its outputs are in {report.directory}/")
    is_incomplete = any(report.unavailable for report in reports)
    return worst_exit_code(ended) or (ExitCode.ERROR if is_incomplete else ExitCode.OK)


def _print_as_json(
    app: App, jobs: Sequence[Job] | Sequence[dict[str, Any]], *, is_list: bool
) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, list(jobs) if is_list else jobs[0])


def _say_what_next(app: App, jobs: Sequence[Job]) -> None:
    if app.err.is_tty and app.out.is_tty and not app.quiet and not app.as_json:
        name = jobs[0].id[:8] if len(jobs) == 1 else "..."
        app.note(f"Follow it with `kotta wait {name}`, read it with `kotta logs -f {name}`.")
