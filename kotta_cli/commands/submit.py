"""`kotta submit`: a description becomes a job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kotta_cli.command_page import examples
from kotta_cli.description_options import (
    AfterOption,
    ArrayOption,
    CpusOption,
    EnvOption,
    InputOption,
    MemoryOption,
    NameOption,
    OutputOption,
    QueueOption,
    RequirementsOption,
    RetriesOption,
    SetOption,
    SweepOption,
    TagOption,
    WalltimeOption,
)
from kotta_cli.exit_codes import ExitCode, worst_exit_code
from kotta_cli.parameters import JsonOption, QuietOption
from kotta_cli.tree import CommandLine, command_app, words_after_dashes

if TYPE_CHECKING:
    from kotta.description import LoadedDescription
    from kotta.models import Job
    from kotta_cli.context import App

app = command_app()


@app.command(
    "submit",
    cls=CommandLine,
    epilog=examples(
        {
            "kotta submit job.json": "Prints the job's id",
            "kotta submit fit.sh --wait": "A script, with #KOTTA lines in its head",
            "kotta submit -t 5 -i train.py -- python3 train.py": "A command line",
            "kotta submit job.yaml --sweep lr=0.1,0.2 --fetch": "One job for each value",
            "kotta submit job.json --check": "What would happen",
        }
    ),
)
def submit(
    ctx: typer.Context,
    description: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="JSON, YAML or a script; - is stdin."),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(
            "--script",
            metavar="FILE",
            help="File that becomes the description's script.",
            rich_help_panel="What to run",
        ),
    ] = None,
    inputs: InputOption = None,
    outputs: OutputOption = None,
    env: EnvOption = None,
    requirements: RequirementsOption = None,
    sets: SetOption = None,
    name: NameOption = None,
    queue: QueueOption = None,
    walltime: WalltimeOption = None,
    cpus: CpusOption = None,
    memory: MemoryOption = None,
    retries: RetriesOption = None,
    tags: TagOption = None,
    array: ArrayOption = None,
    sweeps: SweepOption = None,
    after: AfterOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Submit nothing; say what would happen.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for its end, and exit with its exit code.")
    ] = False,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Wait, then download what it made.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Submit a job, or many.

    Prints the job's id, one line a job or array. Of a description that is a list, all jobs are
    submitted or none. A command line stands after --. Ctrl-C while waiting leaves the job running.
    """
    from kotta_cli.descriptions import read_descriptions
    from kotta_cli.overrides import Overrides
    from kotta_cli.submitting import submit_all

    app: App = ctx.obj
    app.as_json, app.quiet = as_json, quiet
    overrides = Overrides(
        fields={
            "jobname": name,
            "queue": queue,
            "walltime": walltime,
            "cpus": cpus,
            "memory": memory,
            "retries": retries,
        },
        inputs=inputs or (),
        outputs=outputs or (),
        tags=tags or (),
        after=after or (),
        env=env or (),
        sets=sets or (),
        sweeps=sweeps or (),
        array=array,
        requirements=requirements,
        command=words_after_dashes(ctx),
    )
    loaded = read_descriptions(app, description, script, overrides)
    if check:
        from kotta_cli.checking import check_all

        return check_all(app, loaded)
    return finish(app, submit_all(app, loaded), loaded, wait=wait, fetch=fetch)


def finish(
    app: App, jobs: Sequence[Job], loaded: LoadedDescription, *, wait: bool, fetch: bool
) -> int:
    """Say which jobs there are now, and see them to their end if that is wanted."""
    is_list = loaded.is_list or len(jobs) > 1 or jobs[0].array is not None
    app.remember(jobs)
    if not app.as_json:
        ids = dict.fromkeys(job.array or job.id for job in jobs)
        app.out.write("".join(f"{each}\n" for each in ids))
    if wait or fetch:
        return _follow(app, jobs, is_list=is_list, fetch=fetch)
    _say_what_next(app, jobs)
    _print_as_json(app, jobs, is_list=is_list)
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
        names = dict.fromkeys((job.array or job.id)[:8] for job in jobs)
        name = next(iter(names)) if len(names) == 1 else "..."
        if jobs[0].array is not None and len(names) == 1:
            app.note(f"{len(jobs)} jobs. Follow them with `kotta wait {name}`.")
        else:
            app.note(f"Follow it with `kotta wait {name}`, read it with `kotta logs -f {name}`.")
