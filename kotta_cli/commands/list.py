"""`kotta list`: the user's jobs, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JsonOption, one_of
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App

MAX_PAGE = 1000

app = command_app()


@app.command(
    "list",
    cls=Command,
    epilog=examples(
        {
            "kotta list": "The newest jobs",
            "kotta list --status failed --status cancelled": "What did not go well",
            "kotta list --name 'fit-*' --all": "Every job whose name fits a pattern",
            "kotta list --watch": "Follow them live; Ctrl-C stops",
            "kotta list --json": "For programs",
        }
    ),
)
def list_jobs(
    ctx: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", "-s", metavar="STATE", help="In this state; may be repeated."),
    ] = None,
    queue: Annotated[
        str | None, typer.Option("--queue", metavar="QUEUE", help="In this queue.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="PATTERN", help="Called so; * and ? stand for others."),
    ] = None,
    limit: Annotated[
        int,
        typer.Option("--limit", "-L", metavar="N", min=1, help="At most so many; 100 if left out."),
    ] = 100,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Without limit.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow them as they change.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """List jobs, newest first."""
    app: App = ctx.obj
    app.as_json = as_json
    states = _states(status or [])
    if watch:
        from kotta_cli.watching import Filter, watch_jobs

        shown = MAX_PAGE if everything else min(limit, MAX_PAGE)
        return watch_jobs(app, Filter(states, queue, name), limit=shown)
    jobs: list[Job] = []
    cursor: str | None = None
    while True:
        size = MAX_PAGE if everything else min(limit - len(jobs), MAX_PAGE)
        page = app.client.list(status=states, queue=queue, name=name, limit=size, cursor=cursor)
        jobs += page.jobs
        cursor = page.next_cursor
        if cursor is None or (not everything and len(jobs) >= limit):
            break
    app.remember(jobs)
    _render(app, jobs, more=cursor is not None)
    return 0


def _states(words: list[str]) -> tuple[str, ...]:
    if not words:
        return ()
    from kotta.models import JobState

    known = [state.value for state in JobState if state is not JobState.UNSUBMITTED]
    return tuple(one_of(word, known, "state of a job") for word in words)


def _render(app: App, jobs: list[Job], *, more: bool) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, jobs)
    elif app.out.is_tty:
        from kotta_cli.render.job_table import job_lines

        if not jobs:
            app.note("No jobs here. `kotta submit job.json` makes one.")
            return
        console = app.out.console()
        console.print(*job_lines(jobs, console.width), sep="\n")
        if more:
            app.note(f"The newest {len(jobs)}; --all shows every one, --limit N more of them.")
    else:
        from kotta_cli.render.job_table import tab_separated

        app.out.write("".join(tab_separated(job, color=app.out.color) + "\n" for job in jobs))
