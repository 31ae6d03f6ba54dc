"""Downloads a job's outputs: what `submit --fetch` and `fetch` have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, SIGNS, paint
from kotta_cli.render.transfer_bars import transfer_bars

if TYPE_CHECKING:
    from kotta import FetchReport
    from kotta.models import Job, JobDetail
    from kotta_cli.context import App


def fetch_outputs(
    app: App,
    job: Job,
    *,
    into: Path | None = None,
    names: Sequence[str] | None = None,
    force: bool = False,
) -> FetchReport:
    """Bring outputs here, and say on stderr which of them there were none of.

    Args:
        into: a folder; None: one named by the job's id.
        names: names or patterns of outputs; None: all that the job declared.
        force: replace files that differ.
    """
    detail = app.client.status(job)
    app.remember([detail])
    directory = into if into is not None else Path(detail.id)
    with transfer_bars(app, _sizes(detail, directory, names)) as progress:
        report = app.client.fetch(detail, directory, names, force=force, progress=progress)
    if not app.as_json:
        _say_what_is_missing(app, detail, report)
    return report


def print_paths(app: App, report: FetchReport) -> None:
    """Where each file lies that is here now, a line each."""
    for name in (*report.already_there, *report.fetched):
        path = str(report.directory / name)
        app.print(one_line(path) if app.out.is_tty else path)


def report_shape(report: FetchReport) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "directory": os.path.abspath(report.directory),
        "fetched": report.fetched,
        "already_there": report.already_there,
        "unavailable": report.unavailable,
    }


def _sizes(job: JobDetail, directory: Path, names: Sequence[str] | None) -> dict[str, int]:
    """Bytes of the outputs that are probably not here yet."""
    sizes = {}
    for output in job.outputs:
        wanted = names is None or any(fnmatchcase(output.name, name) for name in names)
        size = output.size_bytes or 0
        if wanted and output.available and _size_here(directory / output.name) != size:
            sizes[output.name] = size
    return sizes


def _size_here(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except OSError:
        return None


def _say_what_is_missing(app: App, job: JobDetail, report: FetchReport) -> None:
    from kotta.models import JobState

    if report.already_there and app.err.is_tty and not app.quiet:
        app.note(f"Already here: {', '.join(map(one_line, report.already_there))}")
    for name in report.unavailable:
        sign = paint(SIGNS[JobState.FAILED], COLORS[JobState.FAILED], app.err.color)
        why = (
            "the job did not make it"
            if job.status.is_terminal
            else f"the job is {job.status.value}"
        )
        app.note(f"{sign} {one_line(name)} is not available: {why}")
    if report.unavailable and not job.status.is_terminal:
        app.note(f"`kotta wait {job.id[:8] if app.err.is_tty else job.id}` waits for its end.")
