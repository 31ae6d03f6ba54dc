"""`kotta wait`: until jobs have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import worst_exit_code
from kotta_cli.parameters import JobArguments, JsonOption, QuietOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "wait",
    cls=Command,
    epilog=examples(
        {
            "kotta wait @last && echo well done": "Goes on only if the job completed",
            "kotta wait @open": "Everything that has not ended",
            "kotta wait 3f1c2d4e 9a0b1c2d --timeout 60": "Gives up after a minute: exit code 124",
        }
    ),
)
def wait(
    ctx: typer.Context,
    jobs: JobArguments,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", "-t", metavar="SECONDS", min=0, help="Give up after so long."),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Wait until jobs have ended, and exit as they did.

    The exit code is the job's own; with several jobs the largest of theirs. A signal gives 128 and
    its number, the walltime 124, a lost job 125, a cancelled one 143.
    """
    from kotta_cli.selecting import chosen
    from kotta_cli.waiting import wait_for

    app: App = ctx.obj
    app.as_json = as_json
    app.quiet = quiet
    found = chosen(app, jobs)
    ended = wait_for(app, found.jobs, timeout=timeout, words=jobs) if found.jobs else []
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, ended[0] if found.is_one else ended)
    return worst_exit_code(ended)
