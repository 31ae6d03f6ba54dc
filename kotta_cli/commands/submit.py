"""`kotta submit`: a description becomes a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.description_options import WHAT, DescriptionOptions, with_description_options
from kotta_cli.parameters import JsonOption, QuietOption
from kotta_cli.submitted import FetchOption, WaitOption, finish
from kotta_cli.tree import CommandLine, command_app

if TYPE_CHECKING:
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
@with_description_options
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
            rich_help_panel=WHAT,
        ),
    ] = None,
    *,
    options: DescriptionOptions,
    check: Annotated[
        bool, typer.Option("--check", help="Submit nothing; say what would happen.")
    ] = False,
    wait: WaitOption = False,
    fetch: FetchOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Submit a job, or many.

    Prints the job's id, one line a job or array. Of a description that is a list, all jobs are
    submitted or none. A command line stands after --. Ctrl-C while waiting leaves the job running.
    """
    from kotta_cli.descriptions import read_descriptions
    from kotta_cli.submitting import submit_all

    app: App = ctx.obj
    app.as_json, app.quiet = as_json, quiet
    loaded = read_descriptions(app, description, script, options)
    if check:
        from kotta_cli.checking import check_all

        return check_all(app, loaded)
    jobs = submit_all(app, loaded)
    is_list = loaded.is_list or jobs[0].array is not None
    return finish(app, jobs, is_list=is_list, wait=wait, fetch=fetch)
