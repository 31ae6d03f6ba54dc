"""`kotta usage`: what a job uses over its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JobArgument, JsonOption, UsageProblem
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import Job, Usage
    from kotta_cli.context import App

app = command_app()


@app.command(
    "usage",
    cls=Command,
    epilog=examples(
        {
            "kotta usage @last": "Charts of cores, memory and disk",
            "kotta usage -w simulation": "Drawn anew every second, until it has ended",
            "kotta usage 3f1c2d4e --json samples": "Every sample, for programs",
        }
    ),
)
def usage(
    ctx: typer.Context,
    job: JobArgument,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on until the job has ended.")
    ] = False,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", metavar="N", min=1, help="Of this attempt, not of the latest."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Show what a job uses over its life: cores, memory and disk.

    On a terminal as charts, in a pipe as a line for each sample.
    """
    from kotta_cli.selecting import chosen_one

    app: App = ctx.obj
    app.as_json = as_json
    if watch and (as_json or attempt is not None):
        raise UsageProblem("`--watch` goes with neither --json nor --attempt")
    chosen = chosen_one(app, job)
    app.remember([chosen])
    if watch:
        from kotta_cli.usage_watching import watch_usage

        return watch_usage(app, chosen)
    _render(app, chosen, app.client.usage(chosen, attempt or 0))
    return 0


def _render(app: App, job: Job, found: Usage) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, found)
    elif not found.samples:
        app.note(no_samples(job))
    elif app.out.is_tty:
        from kotta_cli.render.usage_page import usage_lines

        app.print("\n".join(usage_lines(job, found, app.out)))
    else:
        from kotta_cli.render.usage_rows import usage_rows

        app.out.write(usage_rows(found.samples))


def no_samples(job: Job) -> str:
    """Why there is nothing to show."""
    if job.started_at is None and job.status.is_terminal:
        return "There are no samples: its command was never started."
    if job.status.is_terminal:
        return "There are no samples: it was gone before the first was taken."
    return f"There are no samples yet: the job is {job.status.value}."
