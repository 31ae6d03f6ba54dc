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


@dataclass(frozen=True)
class _Input:
    """An input, and what was found of it."""

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

    descriptions = to_descriptions(loaded)
    try:
        jobs = app.client.check(descriptions)
    except DescriptionError as error:
        raise locate(error, loaded) from error
    inputs = _inputs(descriptions)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"jobs": jobs, "inputs": [each.shape() for each in inputs]})
    else:
        _show(app, jobs, inputs)
    return ExitCode.ERROR if any(each.problem for each in inputs) else ExitCode.OK


def _inputs(descriptions: Sequence[JobDescription]) -> list[_Input]:
    from kotta.models.array import expand
    from kotta.probing import probe
    from kotta.submitting import local_paths

    local: dict[str, None] = {}
    remote: dict[str, None] = {}
    for description in descriptions:
        for item in description.inputs:
            local.update(dict.fromkeys(local_paths(item, description.array)))
        for one in expand(description):
            remote.update(
                (url, None) for url in one.inputs if url.startswith(("http://", "https://"))
            )
    found = [_Input(path, os.path.getsize(path), "", "would be uploaded") for path in local]
    return found + [
        _Input(seen.url, seen.size_bytes, seen.problem, "is there") for seen in probe(list(remote))
    ]


def _show(app: App, jobs: Sequence[CheckedJob], inputs: Sequence[_Input]) -> None:
    from kotta_cli.render.times import size

    color, yes, no = app.out.color, *(("✓", "✗") if app.out.unicode else ("ok", "!!"))
    for each in inputs:
        sign = paint(no, "red", color) if each.problem else paint(yes, "green", color)
        extent = "" if each.size_bytes is None else f" ({size(each.size_bytes)})"
        app.print(f"{sign} {one_line(each.url)} {one_line(each.problem) or each.note}{extent}")
    for job in jobs[:MAX_SHOWN]:
        if job.starts_now:
            when = "would start at once"
        elif job.ahead:
            when = f"would wait: {job.ahead} before it in {one_line(job.queue)}"
        else:
            when = f"would wait for room in {one_line(job.queue)}"
        needs = f"{job.cpus} core{'s' if job.cpus != 1 else ''}, {size(job.memory_mib << 20)}"
        app.print(
            f"{paint(yes, 'green', color)} {one_line(job.name)} {when} "
            f"({needs}, at most {duration(job.walltime_seconds)})"
        )
    if len(jobs) > MAX_SHOWN:
        app.print(f"  and {len(jobs) - MAX_SHOWN} more")
