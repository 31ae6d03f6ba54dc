"""What the first clients are told of a job: items of one key each, and links in HTML."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from kotta.models import JobDescription
from kotta.models.field_values import input_name
from kotta_service import own_urls
from kotta_service.jobs import TERMINAL
from kotta_service.store import jobs as store
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import readable_by
from kotta_service.v1.links import Links

WALLTIME_CODE = 1001
KILLED_CODE = 1002
_NO_EXIT_CODE = 1


def status_items(connection: Connection, links: Links, row: JobRow) -> dict[str, dict[str, Any]]:
    """Everything about a job (a row with every column); what is not known yet is left out."""
    pairs = [*_facts(row), *_inputs(connection, links, row)]
    if row.status in TERMINAL:
        pairs += [*_end(row), *_outputs(connection, links, row)]
    known = [{name: value} for name, value in pairs if value is not None]
    return {str(number): item for number, item in enumerate(known)}


def list_item(row: JobRow) -> dict[str, Any]:
    """What is told of a job in a list."""
    return {
        "job_id": row.id,
        "status": row.status,
        "jobtype": row.jobtype,
        "submit_stamp": _stamp(row.submitted_at),
    }


def _facts(row: JobRow) -> Iterator[tuple[str, Any]]:
    description = JobDescription.model_construct(**row.description)
    yield "job_id", row.id
    yield "jobname", row.name
    yield "username", row.owner
    yield "user_email", description.user_email
    yield "queue", row.queue
    yield "jobtype", row.jobtype
    yield "executable", "" if description.function else description.command_line
    yield "status", row.status
    yield "walltime", _seconds(row.walltime_seconds)
    yield "submit_stamp", _stamp(row.submitted_at)
    yield "submit_time", _stamp(row.submitted_at)
    yield "start_time", _stamp(row.started_at)
    yield "complete_time", _stamp(row.ended_at)
    yield "z_stagein_dur", _seconds(row.staging_inputs_seconds)
    yield "z_processing_dur", _seconds(row.processing_seconds)
    yield "z_stageout_dur", _seconds(row.staging_outputs_seconds)


def _end(row: JobRow) -> Iterator[tuple[str, Any]]:
    """Why a job did not complete."""
    is_cancelled = row.status == "cancelled"
    if is_cancelled:
        yield "reason", row.error or "cancelled by request"
        yield "cancel_time", _stamp(row.cancel_requested_at or row.ended_at)
    if is_cancelled and row.started_at is not None:
        yield "ERROR", "killed by request"
        yield "ERROR_CODE", KILLED_CODE
    elif row.status == "failed":
        yield "ERROR", row.error or f"the command ended with status {_code(row)}"
        yield "ERROR_CODE", _code(row)


def _code(row: JobRow) -> int:
    """The exit status as a shell would give it."""
    if row.reason == "walltime":
        return WALLTIME_CODE
    if row.signal is not None:
        return 128 + int(row.signal)
    return int(row.exit_code or _NO_EXIT_CODE)


def _inputs(connection: Connection, links: Links, row: JobRow) -> Iterator[tuple[str, str]]:
    for position, url in enumerate(row.description.get("inputs", ())):
        name = input_name(url)
        yield "inputs", _link(_reachable(connection, links, row, position, url), name)


def _reachable(connection: Connection, links: Links, row: JobRow, position: int, url: str) -> str:
    """A URL by which an input can be had; its own if there is no other."""
    own = own_urls.parsed(url)
    if own is None:
        return url
    if own.kind == "uploads":
        return links.to_input(row.id, position, input_name(url))
    output = store.output(connection, own.place, own.name, readable_by(row.owner))
    return url if output is None else links.to_output(own.place, output.attempt, output.name)


def _outputs(connection: Connection, links: Links, row: JobRow) -> Iterator[tuple[str, str]]:
    made = {
        each.name: links.to_output(row.id, each.attempt, each.name)
        for each in store.outputs_of(connection, row.number)
        if each.available
    }
    for name in JobDescription.model_construct(**row.description).declared_outputs:
        yield "outputs", _link(made[name], name) if name in made else f"<i>{_escaped(name)}</i>"


def _link(url: str, name: str) -> str:
    return f'<a href="{_escaped(url)}">{_escaped(name)}</a>'


def _escaped(text: str) -> str:
    # as these clients know it: an apostrophe stays one
    return html.escape(text, quote=False).replace('"', "&quot;")


def _stamp(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def _seconds(value: float | None) -> float | None:
    if value is None:
        return None
    return int(value) if value == int(value) else round(value, 3)
