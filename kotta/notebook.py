"""A job as a card in a notebook: HTML of its state, times and outputs.

Everything that comes from a job is escaped: a notebook is a web page.
"""

from __future__ import annotations

import html
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kotta.errors import KottaError
from kotta.models import JobDetail, JobState, Output

if TYPE_CHECKING:
    from kotta.job import KottaJob

SHOWN_OUTPUTS = 20
_COLOURS = {
    JobState.COMPLETED: "#1a7f37",
    JobState.FAILED: "#cf222e",
    JobState.CANCELLED: "#6e7781",
    JobState.PROCESSING: "#0969da",
}
_BOX = (
    "display:inline-block;border:1px solid #8886;border-radius:6px;padding:.6em 1em;"
    "font-family:sans-serif;font-size:90%;line-height:1.5"
)


def card(job: KottaJob) -> str:
    """The job as it is now; as it was last heard of where the service does not answer."""
    name = html.escape(job.jobname or "job")
    if job.latest is None:
        return _boxed(name, JobState.UNSUBMITTED, [("", JobState.UNSUBMITTED.meaning)])
    try:
        detail = job.detail()
    except KottaError as error:
        rows = [("job", job.latest.id), ("", f"the service does not answer: {error.message}")]
        return _boxed(name, job.latest.status, rows)
    return _boxed(name, detail.status, _rows(detail), _list(detail.outputs))


def _rows(job: JobDetail) -> list[tuple[str, str]]:
    rows = [("job", job.id), ("queue", job.queue), ("submitted", _time(job.submitted_at))]
    if job.started_at is not None:
        rows.append(("started", _time(job.started_at)))
    if job.ended_at is not None:
        rows.append(("ended", _time(job.ended_at)))
    if job.processing_seconds is not None:
        rows.append(("ran for", f"{job.processing_seconds:.3g} s"))
    if job.error:
        rows.append(("error", job.error))
    elif job.exit_code:
        rows.append(("exit code", str(job.exit_code)))
    return rows


def _boxed(name: str, state: JobState, rows: list[tuple[str, str]], below: str = "") -> str:
    colour = _COLOURS.get(state, "#9a6700")
    cells = "".join(
        f'<tr><td style="text-align:left;opacity:.7">{html.escape(label)}</td>'
        f'<td style="text-align:left;white-space:pre-wrap">{html.escape(value)}</td></tr>'
        for label, value in rows
    )
    return (
        f'<div style="{_BOX}"><b>{name}</b> '
        f'<span style="color:{colour}" title="{html.escape(state.meaning)}">{state.value}</span>'
        f'<table style="margin:.3em 0 0 0">{cells}</table>{below}</div>'
    )


def _list(outputs: list[Output]) -> str:
    items = [_item(output) for output in outputs[:SHOWN_OUTPUTS]]
    if len(outputs) > SHOWN_OUTPUTS:
        items.append(f"<li>and {len(outputs) - SHOWN_OUTPUTS} more</li>")
    return f'<ul style="margin:.3em 0 0 0">{"".join(items)}</ul>' if items else ""


def _item(output: Output) -> str:
    name = html.escape(output.name)
    if not output.available:
        return f'<li style="opacity:.6"><i>{name}</i></li>'
    return f"<li>{name} ({output.size_bytes:,} bytes)</li>"


def _time(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
