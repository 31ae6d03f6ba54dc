"""What the first library's `Kotta.submit_task` and `status_task` took and gave, over today's jobs.

Descriptions may carry credentials, and `input_url…` and `output_…` fields; replies are plain dicts.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import datetime, timezone
from os import PathLike
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kotta.errors import NotFoundError, RequestError
from kotta.models import DESCRIPTION_FIELDS, JobDetail, JobState, Output, Reason
from kotta.models.field_values import input_name

if TYPE_CHECKING:
    from kotta.client import Kotta

WALLTIME_CODE = 1001
KILLED_CODE = 1002


def as_list(value: Any) -> list[str]:
    """Names or URLs from comma-separated text, one path, or any iterable of text or paths."""
    if value is None:
        return []
    if isinstance(value, PathLike):
        return [str(value)]
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return [str(item) for item in value]


def submit_task(konn: Kotta, description: Mapping[str, Any]) -> dict[str, str]:
    """Submits a job.

    Returns:
        `{"status": "Success", "job_id": …}`, or `{"status": "Fail", "reason": …}` where the
        description cannot be accepted. A service that is not there is raised all the same.
    """
    try:
        job = konn.submit(_modern(description))
    except RequestError as error:
        return {"status": "Fail", "reason": error.message}
    return {"status": "Success", "job_id": job.id}


def status_task(konn: Kotta, job_id: str) -> dict[str, Any]:
    """A job as one dict; {} if there is none of that id.

    Returns:
        Text under `status`, `job_id`, `jobname`, `queue`, `jobtype`, `executable`, `submit_stamp`,
        `submit_time`, `start_time`, `complete_time` (UTC, `YYYY-MM-DD HH:MM:SS`); seconds under
        `walltime`, `z_stagein_dur`, `z_processing_dur`, `z_stageout_dur`; `inputs`, and once it has
        ended `outputs`, as lists of `<a href="URL">name</a>`, an output that was not made as
        `<i>name</i>`; `ERROR` and `ERROR_CODE` if it failed or was killed, `reason` and
        `cancel_time` if it was cancelled. What is not known yet is left out.
    """
    try:
        job = konn.status(job_id)
    except NotFoundError:
        return {}
    items: dict[str, Any] = {
        "status": job.status.value,
        "job_id": job.id,
        "jobname": job.name,
        "user_email": job.user_email or None,
        "queue": job.queue,
        "jobtype": job.jobtype,
        "executable": job.description.get("executable") or None,
        "walltime": job.walltime_seconds,
        "submit_stamp": _stamp(job.submitted_at),
        "submit_time": _stamp(job.submitted_at),
        "start_time": _stamp(job.started_at),
        "complete_time": _stamp(job.ended_at),
        "z_stagein_dur": job.staging_inputs_seconds,
        "z_processing_dur": job.processing_seconds,
        "z_stageout_dur": job.staging_outputs_seconds,
        "inputs": [_link(url, input_name(url)) for url in job.description.get("inputs", [])],
        **(_end(job) if job.status.is_terminal else {}),
    }
    return {name: value for name, value in items.items() if value is not None}


def output_url(job_id: str, output: Output) -> str | None:
    """Where an output is found, None if it was not made."""
    return f"kotta://jobs/{job_id}/{quote(output.name, safe='')}" if output.available else None


def _end(job: JobDetail) -> dict[str, Any]:
    end: dict[str, Any] = {
        "outputs": [_link(output_url(job.id, output), output.name) for output in job.outputs]
    }
    if job.status is JobState.CANCELLED:
        end |= {"reason": job.error or "cancelled by request", "cancel_time": _stamp(job.ended_at)}
        if job.started_at is not None:
            end |= {"ERROR": "killed by request", "ERROR_CODE": KILLED_CODE}
    elif job.status is JobState.FAILED:
        end["ERROR"] = job.error or f"the command ended with status {_code(job)}"
        end["ERROR_CODE"] = _code(job)
    return end


def _code(job: JobDetail) -> int:
    """The exit status as a shell would give it, 1 if there was none."""
    if job.reason is Reason.WALLTIME:
        return WALLTIME_CODE
    return 128 + job.signal if job.signal is not None else job.exit_code or 1


def _modern(description: Mapping[str, Any]) -> dict[str, Any]:
    """The description without credentials, its scattered inputs and outputs gathered."""
    inputs, outputs = as_list(description.get("inputs")), as_list(description.get("outputs"))
    modern: dict[str, Any] = {}
    for name, value in description.items():
        if name in ("access_token", "refresh_token", "inputs", "outputs"):
            continue
        if name.startswith("input_url"):
            inputs += as_list(value)
        elif name.startswith("output_") and name not in DESCRIPTION_FIELDS:
            outputs += as_list(value)
        else:
            modern[name] = value
    return {**modern, "inputs": inputs, "outputs": outputs}


def _link(url: str | None, name: str) -> str:
    shown = _escaped(name)
    return f"<i>{shown}</i>" if url is None else f'<a href="{_escaped(url)}">{shown}</a>'


def _escaped(text: str) -> str:
    # as it always was: an apostrophe stays one
    return html.escape(text, quote=False).replace('"', "&quot;")


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
