"""`kotta submit --check`: what would happen, without anything happening."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kotta_cli.exit_codes import ExitCode
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import paint
from kotta_cli.render.times import duration

if TYPE_CHECKING:
    from kotta.description import LoadedDescription
    from kotta.models import CheckedJob, JobDescription
    from kotta_cli.context import App

MAX_SHOWN = 10
"""So many jobs, and inputs that are there, are named on a terminal; of more, how many."""


@dataclass(frozen=True)
class _Input:
    """An input, and what was found of it.

    Attributes:
        note: what is the case with it, where there is no problem.
    """

    url: str
    size_bytes: int | None
    problem: str
    note: str

    def shape(self) -> dict[str, Any]:
        return {"url": self.url, "size_bytes": self.size_bytes, "problem": self.problem}


def check_all(app: App, loaded: LoadedDescription) -> int:
    """Check everything that a submission would, and every input; the exit code.

    Raises:
        DescriptionError: it would not be accepted; with each problem's place in the file.
    """
    from kotta.description import locate, to_descriptions
    from kotta.errors import DescriptionError
    from kotta_cli.submitting import queue_names, remark_on_arrays

    descriptions = to_descriptions(loaded, queue_names(app))
    try:
        jobs = app.client.check(descriptions)
    except DescriptionError as error:
        raise locate(error, loaded) from error
    remark_on_arrays(app, descriptions)
    inputs = _inputs(app, descriptions)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"jobs": jobs, "inputs": [each.shape() for each in inputs]})
    elif app.out.is_tty:
        _show(app, jobs, inputs)
    else:
        _print_plainly(app, jobs, inputs)
    return ExitCode.ERROR if any(each.problem for each in inputs) else ExitCode.OK


def _inputs(app: App, descriptions: Sequence[JobDescription]) -> list[_Input]:
    from kotta.models.array import expand
    from kotta.probing import probe
    from kotta.submitting import local_paths

    local: dict[str, None] = {}
    remote: dict[str, None] = {}
    own: dict[str, None] = {}
    for description in descriptions:
        for item in description.inputs:
            local.update(dict.fromkeys(local_paths(item, description.array)))
        if any("://" in item for item in description.inputs):
            for one in expand(description):
                remote.update(dict.fromkeys(url for url in one.inputs if _is_web(url)))
                own.update(dict.fromkeys(url for url in one.inputs if url.startswith("kotta://")))
    if len(remote) > 1 and app.shows_progress:
        app.note(f"Looking whether {len(remote)} inputs are there.")
    return [
        *(_Input(path, os.path.getsize(path), "", "would be uploaded") for path in local),
        # what the service keeps or will have it has vouched for already
        *(_Input(url, None, "", "is the service's own") for url in own),
        *(_Input(seen.url, seen.size_bytes, seen.problem, "is there")
          for seen in probe(list(remote))),
    ]  # fmt: skip


def _is_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _print_plainly(app: App, jobs: Sequence[CheckedJob], inputs: Sequence[_Input]) -> None:
    """A line for each, complete: what it is, its name, what is the case, tab-separated."""
    for each in inputs:
        extent = "" if each.size_bytes is None else str(each.size_bytes)
        app.print(f"input\t{one_line(each.url)}\t{one_line(each.problem) or each.note}\t{extent}")
    for job in jobs:
        app.print(f"job\t{one_line(job.name)}\t{_prospect(job)}\t{one_line(job.queue)}")


def _show(app: App, jobs: Sequence[CheckedJob], inputs: Sequence[_Input]) -> None:
    from kotta_cli.render.times import size

    color = app.out.color
    yes, no = (paint("✓", "green", color), paint("✗", "red", color))
    wrong = [each for each in inputs if each.problem]
    right = [each for each in inputs if not each.problem]
    for each in wrong:
        app.print(f"{no} {one_line(each.url)}: {paint(one_line(each.problem), 'red', color)}")
    for each in right[:MAX_SHOWN]:
        extent = "" if each.size_bytes is None else f" ({size(each.size_bytes)})"
        app.print(f"{yes} {one_line(each.url)} {each.note}{extent}")
    if len(right) > MAX_SHOWN:
        app.print(f"  and {len(right) - MAX_SHOWN} more inputs that are there")
    for job in jobs[:MAX_SHOWN]:
        cores = f"{job.cpus} core{'s' if job.cpus != 1 else ''}"
        needs = f"{cores}, {size(job.memory_mib << 20)}, {duration(job.walltime_seconds)} at most"
        app.print(f"{yes} {one_line(job.name)} {_prospect(job)} ({needs})")
    if len(jobs) > MAX_SHOWN:
        rest = jobs[MAX_SHOWN:]
        now = sum(job.starts_now for job in rest)
        app.print(f"  and {len(rest)} more jobs, {now or 'none'} of which would start at once")
    if wrong:
        verb = "is" if len(wrong) == 1 else "are"
        app.note(
            f"{len(wrong)} of {len(inputs)} inputs {verb} not to be had. Nothing was submitted."
        )
    else:
        app.note("Nothing was submitted.")


def _prospect(job: CheckedJob) -> str:
    queue = one_line(job.queue)
    if job.starts_now:
        return f"would start at once in {queue}"
    if job.waits_for:
        return f"would wait for {job.waits_for} job{'s' if job.waits_for != 1 else ''} to complete"
    if job.limit is not None:
        what = "jobs that run" if job.limit.name == "running" else "cores in use"
        return f"would wait for your limit: {job.limit.used} of {job.limit.limit} {what}"
    if job.ahead:
        return f"would wait behind {job.ahead} in {queue}"
    return f"would wait for room in {queue}"
