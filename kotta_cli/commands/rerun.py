"""`kotta rerun`: the same job again, perhaps with something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.description_options import DescriptionOptions, with_description_options
from kotta_cli.parameters import JobArguments, JsonOption, QuietOption
from kotta_cli.submitted import FetchOption, WaitOption, finish
from kotta_cli.tree import CommandLine, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "rerun",
    cls=CommandLine,
    epilog=examples(
        {
            "kotta rerun @last --walltime 60": "With more time",
            "kotta rerun @failed": "All that failed",
            "kotta rerun fit --wait -- python3 fit.py --lr 0.1": "With another command line",
            "kotta rerun fit --sweep seed=1..9": "As many jobs",
        }
    ),
)
@with_description_options
def rerun(
    ctx: typer.Context,
    jobs: JobArguments,
    *,
    options: DescriptionOptions,
    wait: WaitOption = False,
    fetch: FetchOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Submit jobs again, as they were or with changes.

    The jobs themselves stay as they are; what is submitted are new ones from their descriptions.
    One that came after another comes after the new one, if both are submitted again.
    """
    from kotta_cli.overrides import Overrides
    from kotta_cli.rerunning import Rerun
    from kotta_cli.selecting import chosen

    app: App = ctx.obj
    app.as_json, app.quiet = as_json, quiet
    overrides = Overrides(options, app.stdin.buffer.read)
    is_multiplied = bool(options.sweeps or options.array)
    found = chosen(app, jobs, oldest_first=True)
    new = Rerun(app, overrides, keeps_place=not is_multiplied).submit(found.jobs)
    if not new:
        if app.as_json:
            app.print("[]")
        return 0
    is_list = not found.is_one or is_multiplied
    return finish(app, new, is_list=is_list, wait=wait, fetch=fetch)
