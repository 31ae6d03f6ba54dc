"""`kotta fetch`: brings home what jobs have made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, QuietOption, UsageProblem
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.selection import Selection
    from kotta_cli.context import App

app = command_app()
STDOUT = Path("-")


@app.command(
    "fetch",
    cls=Command,
    epilog=examples(
        {
            "kotta fetch @last": "Everything it made",
            "kotta fetch 3f1c2d4e result.csv -o results": "One file, into a folder",
            "kotta fetch 'fit-*' '*.csv' -o fits": "Of many jobs, into a folder for each",
            "kotta fetch @last model.bin -o - | sha256sum": "One file, to stdout",
            "kotta fetch @last --verify": "Is all of it here, byte for byte?",
        }
    ),
)
def fetch(
    ctx: typer.Context,
    job: Annotated[
        str,
        typer.Argument(metavar="JOB", help="Id or its start, name or glob, @last, @failed, tag=x."),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Outputs, by name or pattern; all if left out."),
    ] = None,
    more_jobs: Annotated[
        list[str] | None,
        typer.Option("--job", "-j", metavar="JOB", help="Another job, or more; repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder to put them in; one named by the job's id. - is stdout.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Bring nothing: compare what is here.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Download what jobs have made.

    Prints the path of every file. Exits with 0 only if all that was asked for has arrived: with no
    FILE, that is every output the job declared. Of several jobs, each gets a folder of its own in
    DIR, named by its id.
    """
    from kotta_cli.selecting import chosen

    app: App = ctx.obj
    app.as_json = as_json
    app.quiet = quiet
    _refuse_what_contradicts(to_stdout=output == STDOUT, force=force, verify=verify, app=app)
    found = chosen(app, [job, *(more_jobs or ())])
    app.remember(found.jobs)
    if output == STDOUT:
        return _to_stdout(app, found, files or [])
    if verify:
        return _compare(app, found, output, files or None)
    return _bring(app, found, output, files or None, force=force)


def _bring(
    app: App, found: Selection, into: Path | None, names: list[str] | None, *, force: bool
) -> int:
    from kotta_cli.fetching import fetch_many, fetch_outputs, print_paths, report_shape

    if found.is_one:
        reports = [fetch_outputs(app, found.jobs[0], into=into, names=names, force=force)]
    else:
        reports = fetch_many(app, found.jobs, into=into, names=names, force=force)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        shapes = [report_shape(report) for report in reports]
        print_json(app, shapes[0] if found.is_one else shapes)
    else:
        print_paths(app, reports)
    return ExitCode.ERROR if any(report.unavailable for report in reports) else ExitCode.OK


def _compare(app: App, found: Selection, where: Path | None, names: list[str] | None) -> int:
    from kotta.transfers import details, verify
    from kotta_cli.verifying import show_comparison

    reports = []
    for job in details(app.client.api, [each.id for each in found.jobs]):
        own = Path(job.id)
        directory = where or own if found.is_one else (where or Path()) / own
        reports.append(verify(job, directory, names, partly=not found.is_one))
    show_comparison(app, reports, one=found.is_one)
    return ExitCode.OK if all(report.is_good for report in reports) else ExitCode.ERROR


def _to_stdout(app: App, found: Selection, names: list[str]) -> int:
    from kotta.manifest import chosen
    from kotta_cli.printing_files import print_file

    if len(found.jobs) != 1:
        raise _several(f"{len(found.jobs)} jobs")
    detail = app.client.status(found.jobs[0])
    outputs = chosen(detail, names or None)
    if len(outputs) != 1:
        raise _several(f"{len(outputs)} files")
    print_file(app, detail, outputs[0])
    return ExitCode.OK


def _several(what: str) -> UsageProblem:
    hint = "name one; `kotta cat JOB:FILE...` writes several after each other"
    return UsageProblem(f"`-o -` writes one file to stdout, and this means {what}", hint=hint)


def _refuse_what_contradicts(*, to_stdout: bool, force: bool, verify: bool, app: App) -> None:
    if to_stdout and (verify or app.as_json):
        other = "--verify" if verify else "--json"
        raise UsageProblem(f"`-o -` writes a file to stdout, where {other} would write too")
    if verify and force:
        raise UsageProblem("--verify changes nothing, and --force replaces files: take one")
