"""`kotta cancel`: the end of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JobArguments, JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App

app = command_app()


@app.command(
    "cancel",
    cls=Command,
    epilog=examples(
        {
            "kotta cancel @last": "The job submitted last",
            "kotta cancel 3f1c2d4e 9a0b1c2d": "Several, by the start of their ids",
        }
    ),
)
def cancel(ctx: typer.Context, jobs: JobArguments, as_json: JsonOption = False) -> int:
    """End jobs.

    A job that waits is cancelled at once. One that runs is asked to end and, if it does not within
    30 seconds, made to. A job that has ended already cannot be cancelled: exit code 1.
    """
    from kotta.errors import ConflictError
    from kotta_cli.render.errors import show_error

    app: App = ctx.obj
    app.as_json = as_json
    chosen = [app.client.select(selector) for selector in jobs]
    asked: list[Job] = []
    refused = False
    for job in chosen:
        try:
            asked.append(app.client.cancel(job))
        except ConflictError as error:
            if len(chosen) == 1:
                raise
            show_error(app, error, ExitCode.ERROR)
            refused = True
    app.remember(asked)
    _render(app, asked, one=len(chosen) == 1)
    return ExitCode.ERROR if refused else ExitCode.OK


def _render(app: App, asked: list[Job], *, one: bool) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, asked[0] if one and asked else asked)
        return
    from kotta.models import JobState
    from kotta_cli.render.plain_text import one_line
    from kotta_cli.render.states import COLORS, SIGNS, paint

    for job in asked:
        if not app.out.is_tty:
            app.print(f"{job.id}\t{job.status.value}")
        elif job.status is JobState.CANCELLED:
            sign = paint(SIGNS[job.status], COLORS[job.status], app.out.color)
            app.print(f"{sign} {one_line(job.name)} ({job.id[:8]}) is cancelled")
        else:
            app.print(f"{one_line(job.name)} ({job.id[:8]}) is being ended")
