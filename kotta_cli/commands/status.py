"""`kotta status`: everything that is known of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import IdsOption, JobArguments, JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import Job, JobDetail
    from kotta_cli.context import App

app = command_app()


@app.command(
    "status",
    cls=Command,
    epilog=examples(
        {
            "kotta status @last": "The job submitted last",
            "kotta status 3f1c2d4e": "By the start of its id",
            "kotta status simulation --json": "By its name, for programs",
        }
    ),
)
def status(
    ctx: typer.Context, jobs: JobArguments, quiet: IdsOption = False, as_json: JsonOption = False
) -> int:
    """Show everything that is known of a job."""
    from kotta_cli.render.array_page import is_array
    from kotta_cli.selecting import chosen

    app: App = ctx.obj
    app.as_json = as_json
    found = chosen(app, jobs)
    if quiet and not as_json:
        app.out.write("".join(f"{job.id}\n" for job in found.jobs))
        return 0
    if is_array(jobs, found.jobs):
        _show_array(app, found.jobs)
        return 0
    details = [app.client.status(job) for job in found.jobs]
    app.remember(details)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        shapes = [_shape(detail) for detail in details]
        print_json(app, shapes[0] if found.is_one else shapes)
    else:
        _render(app, details)
    return 0


def _shape(detail: JobDetail) -> dict[str, Any]:
    from kotta_cli.render.as_json import plain_values
    from kotta_cli.right_size import right_size

    used = right_size(detail)
    return {**plain_values(detail), "right_size": None if used is None else used.shape()}


def _show_array(app: App, jobs: list[Job]) -> None:
    from kotta_cli.render.array_page import MAX_ROWS, ArrayPage, array_shape
    from kotta_cli.render.pages import print_page

    app.remember(jobs)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, array_shape(jobs))
        return
    page = ArrayPage(jobs, for_terminal=app.out.is_tty)
    details = {job.id: app.client.status(job) for job in page.shown[:MAX_ROWS]}
    print_page(app, page.heading, page.sections(details))


def _render(app: App, details: list[JobDetail]) -> None:
    from kotta_cli.render.job_page import JobPage
    from kotta_cli.render.pages import print_page

    for number, detail in enumerate(details):
        if number:
            app.print()
        page = JobPage(detail, for_terminal=app.out.is_tty, columns=app.out.columns)
        print_page(app, page.heading, page.sections)
