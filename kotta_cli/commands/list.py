"""`kotta list`: the user's jobs, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import IdsOption, JsonOption, one_of
from kotta_cli.tree import Command, command_app
from kotta_cli.watching import Filter

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
            "kotta list --json id,status": "The newest jobs, for programs",
            "kotta list --status failed --status cancelled": "What did not go well",
            "kotta list --name 'fit-*' --all": "Every job whose name fits a pattern",
            "kotta list --watch": "Follow them live; Ctrl-C stops",
            "kotta list --since 2d --fields name,status,elapsed --sort -elapsed": "The slowest",
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
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="With this tag.")] = None,
    array: Annotated[
        str | None, typer.Option("--array", metavar="ID", help="Of this array.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Submitted since: 2d, 90min, or a date."),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="FIELD", help="In this order; -FIELD for the reverse."),
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option("--fields", "-f", metavar="FIELDS", help="Show these: id,status,elapsed."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-L", metavar="N", min=1, help="At most so many; 100 if left out."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Without limit.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow them as they change.")
    ] = False,
    quiet: IdsOption = False,
    as_json: JsonOption = False,
) -> int:
    """List jobs, newest first."""
    from kotta_cli import job_fields, list_settings

    app: App = ctx.obj
    app.as_json = as_json
    wanted = Filter(
        _states(status or []),
        queue,
        name,
        tag,
        None if array is None else _array(app, array),
        None if since is None else job_fields.since(since),
    )
    shown = job_fields.fields_of(fields) if fields else (("id",) if quiet else ())
    limit, shown = list_settings.applied(app, limit, shown)
    if watch:
        from kotta_cli.watching import watch_jobs

        return watch_jobs(app, wanted, limit=MAX_PAGE if everything else min(limit, MAX_PAGE))
    jobs: list[Job] = []
    cursor: str | None = None
    while True:
        size = MAX_PAGE if everything else min(limit - len(jobs), MAX_PAGE)
        page = app.client.list(**wanted.asked(), limit=size, cursor=cursor)
        jobs += page.jobs
        cursor = page.next_cursor
        if cursor is None or (not everything and len(jobs) >= limit):
            break
    app.remember(jobs)
    if sort:
        jobs = job_fields.sorted_by(jobs, sort)
    _render(app, jobs, shown, quiet=quiet, more=cursor is not None)
    return 0


def _array(app: App, text: str) -> str:
    """The id of the array that is meant by it, or by the start of it."""
    page = app.client.api.select(text)
    found = {job.array for job in page.jobs if job.array is not None}
    return found.pop() if page.is_set and len(found) == 1 else text


def _states(words: list[str]) -> tuple[str, ...]:
    if not words:
        return ()
    from kotta.models import JobState

    known = [state.value for state in JobState if state is not JobState.UNSUBMITTED]
    return tuple(one_of(word, known, "state of a job") for word in words)


def _render(app: App, jobs: list[Job], fields: tuple[str, ...], *, quiet: bool, more: bool) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, jobs)
    elif app.out.is_tty and not quiet:
        from kotta_cli.render.job_table import job_lines

        if not jobs:
            app.note("No jobs here. `kotta submit job.json` makes one.")
            return
        console = app.out.console()
        console.print(*job_lines(jobs, console.width, fields), sep="\n")
        if more:
            app.note(f"The newest {len(jobs)}; --all shows every one, --limit N more of them.")
    else:
        from kotta_cli.job_fields import DEFAULT
        from kotta_cli.render.job_table import tab_separated

        lines = (tab_separated(job, fields or DEFAULT, color=app.out.color) for job in jobs)
        app.out.write("".join(f"{line}\n" for line in lines))
