"""`kotta cancel`: the end of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import IdsOption, JobArguments, JsonOption, YesOption
from kotta_cli.render.plain_text import one_line
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App

MAX_SENTENCES = 10
"""More jobs than that are counted rather than named."""

app = command_app()


@app.command(
    "cancel",
    cls=Command,
    epilog=examples(
        {
            "kotta cancel @last": "The job submitted last",
            "kotta cancel 3f1c2d4e 9a0b1c2d": "Several, by the start of their ids",
            "kotta cancel 'fit-*' tag=old": "All that are called so or tagged so; asks first",
            "kotta cancel @open --yes": "Everything that has not ended",
        }
    ),
)
def cancel(
    ctx: typer.Context,
    jobs: JobArguments,
    yes: YesOption = False,
    quiet: IdsOption = False,
    as_json: JsonOption = False,
) -> int:
    """End jobs.

    A job that waits is cancelled at once. One that runs is asked to end and, if it does not within
    30 seconds, made to. A job that has ended already cannot be cancelled: exit code 1, unless it
    was one of a set.
    """
    from kotta.errors import ConflictError
    from kotta.models import JobState
    from kotta_cli.selecting import chosen_surely

    app: App = ctx.obj
    app.as_json, app.quiet = as_json, quiet
    chosen = chosen_surely(app, jobs, "cancel", yes=yes)
    if chosen is None:
        return ExitCode.ERROR
    # of a set, what has ended is not meant; a job that was named and is cancelled is as wished
    over = () if chosen.sets else (JobState.COMPLETED, JobState.FAILED)
    too_late = [job for job in chosen.jobs if job.status in over]
    if chosen.is_one and too_late:
        raise ConflictError(
            f"job {too_late[0].id} has {too_late[0].status.value} already",
            hint=f"kotta status {too_late[0].id}",
            code="already_ended",
        )
    meant = [
        job
        for job in chosen.jobs
        if job not in too_late and not (chosen.sets and job.status.is_terminal)
    ]
    asked = app.client.cancel_many(meant)
    app.remember(asked)
    if chosen.jobs and not meant and not too_late:
        app.note("All of them have ended already.")
    for job in too_late:
        app.note(f"{one_line(job.name)} ({job.id[:8]}) has {job.status.value} already")
    _render(app, asked, one=chosen.is_one)
    return ExitCode.ERROR if too_late else ExitCode.OK


def _render(app: App, asked: list[Job], *, one: bool) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, asked[0] if one else asked)
        return
    if app.quiet:
        app.out.write("".join(f"{job.id}\n" for job in asked))
        return
    if not app.out.is_tty:
        for job in asked:
            app.print(f"{job.id}\t{job.status.value}")
    elif len(asked) > MAX_SENTENCES:
        from kotta_cli.render.job_table import counts_in_words

        app.print(f"{len(asked)} jobs: {counts_in_words(asked, color=app.out.color)}")
    else:
        for job in asked:
            app.print(_sentence(job, color=app.out.color))


def _sentence(job: Job, *, color: bool) -> str:
    from kotta.models import JobState
    from kotta_cli.render.states import COLORS, SIGNS, paint

    who = f"{one_line(job.name)} ({job.id[:8]})"
    if job.status is JobState.CANCELLED:
        return f"{paint(SIGNS[job.status], COLORS[job.status], color)} {who} is cancelled"
    if job.status.is_terminal:
        return f"{who} has {job.status.value} meanwhile"
    return f"{who} is being ended"
