"""Shows how the files here compare with what the service keeps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, SIGNS, paint

if TYPE_CHECKING:
    from kotta import VerifyReport
    from kotta_cli.context import App

WORDS = {
    "intact": "intact",
    "different": "different",
    "missing": "missing",
    "unavailable": "not available",
}


def show_comparison(app: App, reports: Sequence[VerifyReport], *, one: bool) -> None:
    """A line for each file: its path and what was found; those that are wrong come last."""
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        shapes = [_shape(report) for report in reports]
        print_json(app, shapes[0] if one else shapes)
        return
    from kotta.models import JobState

    for kind, word in WORDS.items():
        state = JobState.COMPLETED if kind == "intact" else JobState.FAILED
        sign = paint(SIGNS[state], COLORS[state], app.out.color)
        for report in reports:
            for name in getattr(report, kind):
                path = str(report.directory / name)
                if app.out.is_tty:
                    app.print(f"{sign} {one_line(path)} is {word}")
                else:
                    app.print(f"{path}\t{kind}")


def _shape(report: VerifyReport) -> dict[str, Any]:
    return {
        "job": report.job_id,
        "directory": os.path.abspath(report.directory),
        **{kind: getattr(report, kind) for kind in WORDS},
    }
