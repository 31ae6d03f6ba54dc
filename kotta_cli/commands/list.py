"""`kotta list`: the user's jobs, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import IdsOption, JsonOption, one_of
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kotta.models import Job
    from kotta_cli.context import App
    from kotta_cli.job_arrays import JobArray
    from kotta_cli.listing import Listing

app = command_app()


@app.command(
    "list",
    cls=Command,
    epilog=examples(
        {
            "kotta list --json id,status": "The newest jobs, for programs",
            "kotta list -s failed -s cancelled": "What did not go well",
            "kotta list --name 'fit-*' --all": "Every job whose name fits a pattern",
            "kotta list --watch": "Follow them live; Ctrl-C stops",
            "kotta list --since 2d --sort -elapsed": "The slowest of two days",
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
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="USER", help="Of this user, as far as you may see them."),
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Of everybody, as far as you may see them.")
    ] = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="Those that others share with you.")
    ] = False,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", metavar="FIELD", help="Sort all that fit by it; -FIELD for the reverse."
        ),
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
    from kotta_cli.listing import Filter, read_jobs, read_rows

    app: App = ctx.obj
    app.as_json = as_json
    order = job_fields.order_of(sort) if sort else ""
    shown = job_fields.fields_of(fields) if fields else (("id",) if quiet else ())
    app.json_fields = app.json_fields or (shown if as_json else ())
    wanted = Filter(
        _states(status or []),
        queue,
        name,
        tag,
        None if array is None else _array(app, array),
        None if since is None else job_fields.since(since),
        "*" if everyone else owner,
        shared,
    )
    most, shown = list_settings.applied(app, limit, shown)
    if watch:
        from kotta_cli.watching import Watch, watch_jobs

        if wanted.is_of_others and not as_json:
            shown = shown or job_fields.WITH_OWNER
        return watch_jobs(app, Watch(wanted, limit, everything, shown, order))
    wanted_rows = None if everything else most
    rows: Sequence[Job | JobArray]
    if app.draws_tables and not (fields or quiet or order) and wanted.keeps_arrays_whole:
        rows, listing = read_rows(app, wanted, wanted_rows)
    elif order:
        # what comes first is known only of all of them
        listing = read_jobs(app, wanted, None)
        rows = job_fields.sorted_by(listing.jobs, order)[:wanted_rows]
    else:
        listing = read_jobs(app, wanted, wanted_rows)
        rows = listing.jobs
    app.remember(listing.jobs)
    if wanted.is_of_others and not app.out.is_tty:
        shown = shown or (*job_fields.DEFAULT, "owner")
    remark = _what_is_missing(rows, listing, order)
    _render(app, rows, shown, remark, quiet=quiet, with_owner=wanted.is_of_others)
    return 0


def _array(app: App, text: str) -> str:
    """The id of the array that is meant by its name, its id, or the start of it.

    Raises:
        NotFoundError: none is.
        UsageProblem: it is empty.
    """
    from kotta.errors import NotFoundError
    from kotta_cli.selecting import refuse_empty

    refuse_empty(text, "`--array`")
    page = app.client.api.select(text)
    found = {job.array for job in page.jobs}
    if page.is_set and len(found) == 1 and (array := found.pop()) is not None:
        return array
    raise NotFoundError(
        f"no array, or more than one, is called `{text}`",
        hint="kotta list --fields array,name shows them",
    )


def _states(words: list[str]) -> tuple[str, ...]:
    if not words:
        return ()
    from kotta.models import JobState

    known = [state.value for state in JobState if state is not JobState.UNSUBMITTED]
    return tuple(one_of(word, known, "state of a job") for word in words)


def _what_is_missing(rows: Sequence[Job | JobArray], listing: Listing, order: str) -> str:
    """A remark on what is not shown, "" if all is."""
    if order and len(rows) < len(listing.jobs):
        return f"{len(rows)} of {len(listing.jobs)}; --limit N shows more of them, --all every one."
    if not listing.is_all:
        return f"The newest {len(rows)}; --all shows every one, --limit N more of them."
    return ""


def _render(
    app: App,
    rows: Sequence[Job | JobArray],
    fields: tuple[str, ...],
    remark: str,
    *,
    quiet: bool,
    with_owner: bool,
) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, cast("Sequence[Job]", rows))
    elif app.out.is_tty and not quiet:
        from kotta_cli.render.job_table import job_lines

        if not rows:
            hint = "" if with_owner else " `kotta submit job.json` makes one."
            app.note(f"No jobs here.{hint}")
            return
        console = app.out.console()
        console.print(*job_lines(rows, console.width, fields, with_owner=with_owner), sep="\n")
        if remark:
            app.note(remark)
    else:
        from kotta_cli.job_fields import DEFAULT
        from kotta_cli.render.job_table import tab_separated

        lines = (tab_separated(row, fields or DEFAULT, color=app.out.color) for row in rows)
        app.out.write("".join(f"{line}\n" for line in lines))
