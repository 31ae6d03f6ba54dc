"""Downloads jobs' outputs: what `submit --fetch`, `fetch` and `cp` have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, SIGNS, paint
from kotta_cli.render.transfer_bars import transfer_bars

if TYPE_CHECKING:
    from kotta import FetchReport
    from kotta.models import Job, JobDetail, Output
    from kotta_cli.context import App


def fetch_outputs(
    app: App,
    job: Job,
    *,
    into: Path | None = None,
    names: Sequence[str] | None = None,
    force: bool = False,
) -> FetchReport:
    """Bring a job's outputs here, and say on stderr which of them there were none of.

    Args:
        into: a folder; None: one named by the job's id.
        names: names or patterns of outputs; None: all that the job declared.
        force: replace files that differ.
    """
    detail = app.client.status(job)
    app.remember([detail])
    directory = into if into is not None else Path(detail.id)
    return _fetched(app, [(detail, directory)], names, force)[0]


def fetch_many(
    app: App,
    jobs: Sequence[Job],
    *,
    into: Path | None = None,
    names: Sequence[str] | None = None,
    force: bool = False,
) -> list[FetchReport]:
    """The same for many jobs, each into a folder of its own, named by its id, below `into`."""
    from kotta.transfers import details

    found = details(app.client.api, [job.id for job in jobs])
    return _fetched(app, [(each, (into or Path()) / each.id) for each in found], names, force)


@contextmanager
def saying_what_is_kept(app: App) -> Iterator[None]:
    """Tell a person who interrupts the body that it was not for nothing."""
    try:
        yield
    except KeyboardInterrupt:
        if not app.as_json:
            app.note("Interrupted. What has come is kept: the same command goes on from there.")
        raise


def sizes_to_come(files: Iterable[tuple[str, Output, Path]]) -> dict[str, int]:
    """Bytes of the outputs that are probably not here yet, by what they are called."""
    return {
        label: output.size_bytes or 0
        for label, output, path in files
        if output.available and _size_here(path) != output.size_bytes
    }


def print_paths(app: App, reports: Sequence[FetchReport]) -> None:
    """Where each file lies that is here now, a line each."""
    paths = [
        str(report.directory / name)
        for report in reports
        for name in (*report.already_there, *report.fetched)
    ]
    if app.out.is_tty:
        paths = [one_line(path) for path in paths]
    app.out.write("".join(f"{path}\n" for path in paths))


def report_shape(report: FetchReport) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "job": report.job_id,
        "directory": os.path.abspath(report.directory),
        "fetched": report.fetched,
        "already_there": report.already_there,
        "unavailable": report.unavailable,
    }


def _fetched(
    app: App, jobs: Sequence[tuple[JobDetail, Path]], names: Sequence[str] | None, force: bool
) -> list[FetchReport]:
    from kotta.manifest import chosen
    from kotta.transfers import fetch

    several = len(jobs) > 1
    sizes = sizes_to_come(
        (f"{job.id[:8]}/{each.name}" if several else each.name, each, directory / each.name)
        for job, directory in (jobs if app.shows_progress else ())
        for each in chosen(job, names, partly=several)
    )
    with saying_what_is_kept(app), transfer_bars(app, sizes) as progress:
        reports = fetch(app.client.api, jobs, names, force=force, progress=progress)
    if not app.as_json:
        for (job, _), report in zip(jobs, reports, strict=True):
            _say_what_is_missing(app, job, report, several=several)
    return reports


def _size_here(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except OSError:
        return None


def _say_what_is_missing(app: App, job: JobDetail, report: FetchReport, *, several: bool) -> None:
    from kotta.models import JobState

    here = report.already_there
    if here and app.err.is_tty and not app.quiet:
        shown = str(len(here)) if several else ", ".join(map(one_line, here))
        app.note(f"Already here: {shown}" + (f" of {job.id[:8]}" if several else ""))
    if not report.unavailable:
        return
    sign = paint(SIGNS[JobState.FAILED], COLORS[JobState.FAILED], app.err.color)
    is_over = job.status.is_terminal
    why = "the job did not make it" if is_over else f"the job is {job.status.value}"
    shown_id = job.id[:8] if app.err.is_tty else job.id
    if several:
        names = ", ".join(map(one_line, report.unavailable))
        app.note(f"{sign} {shown_id}: not available, as {why}: {names}")
        return
    for name in report.unavailable:
        app.note(f"{sign} {one_line(name)} is not available: {why}")
    if not is_over:
        app.note(f"`kotta wait {shown_id}` waits for its end.")
