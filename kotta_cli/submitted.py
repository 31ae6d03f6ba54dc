"""What `submit` and `rerun` do with new jobs: say which there are, wait for them, fetch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kotta_cli.exit_codes import ExitCode, worst_exit_code

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App

WaitOption = Annotated[
    bool, typer.Option("--wait", "-w", help="Wait for its end, and exit with its exit code.")
]
FetchOption = Annotated[bool, typer.Option("--fetch", help="Wait, then download what it made.")]


def finish(app: App, jobs: Sequence[Job], *, is_list: bool, wait: bool, fetch: bool) -> int:
    """Say which jobs there are now, and see them to their end if that is wanted.

    Args:
        is_list: with `--json`, print a list even of one job.
    """
    app.remember(jobs)
    if not app.as_json:
        app.out.write("".join(f"{name}\n" for name in names_of(jobs)))
    if wait or fetch:
        return _follow(app, jobs, is_list=is_list, fetch=fetch)
    _say_what_next(app, jobs)
    _print_as_json(app, jobs, is_list=is_list)
    return ExitCode.OK


def names_of(jobs: Sequence[Job]) -> list[str]:
    """What to call jobs by: an array that all of them are of by its id, others by their own.

    A job submitted again as it was in its array has an array of its own, and is called by its id.
    """
    sizes: dict[str, int] = {}
    for job in jobs:
        if job.array is not None:
            sizes[job.array] = sizes.get(job.array, 0) + 1
    return list(
        dict.fromkeys(
            job.array if job.array is not None and sizes[job.array] > 1 else job.id for job in jobs
        )
    )


def _follow(app: App, jobs: Sequence[Job], *, is_list: bool, fetch: bool) -> int:
    from kotta_cli.fetching import fetch_outputs, report_shape
    from kotta_cli.waiting import wait_for

    ended = wait_for(app, jobs)
    if not fetch:
        _print_as_json(app, ended, is_list=is_list)
        return worst_exit_code(ended)
    reports = [fetch_outputs(app, job) for job in ended]
    shapes = [
        {**job.model_dump(mode="json"), "fetch": report_shape(report)}
        for job, report in zip(ended, reports, strict=True)
    ]
    _print_as_json(app, shapes, is_list=is_list)
    if app.err.is_tty and not app.as_json and not app.quiet:
        for report in reports:
            app.note(f"Its outputs are in {report.directory}/")
    is_incomplete = any(report.unavailable for report in reports)
    return worst_exit_code(ended) or (ExitCode.ERROR if is_incomplete else ExitCode.OK)


def _print_as_json(
    app: App, jobs: Sequence[Job] | Sequence[dict[str, Any]], *, is_list: bool
) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, list(jobs) if is_list else jobs[0])


def _say_what_next(app: App, jobs: Sequence[Job]) -> None:
    if not (app.err.is_tty and app.out.is_tty) or app.quiet or app.as_json:
        return
    names = [name[:8] for name in names_of(jobs)]
    if len(jobs) == 1:
        app.note(
            f"Follow it with `kotta wait {names[0]}`, read it with `kotta logs -f {names[0]}`."
        )
    elif len(names) == 1:
        app.note(f"{len(jobs)} jobs. Follow them with `kotta wait {names[0]}`.")
    else:
        app.note(f"{len(jobs)} jobs. `kotta list` shows them, `kotta wait @open` follows them.")
