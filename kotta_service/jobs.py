"""The rules: what may be submitted, and how a job moves from one state to the next.

Every change of a job's state in the whole service is made by a function here, inside a transaction
it is given. SQL lies in `store.jobs`; what starts and watches runners is the dispatcher.

::

    pending ─▶ staging_inputs ─▶ processing ─▶ staging_outputs ─▶ completed | failed | cancelled
       │  ▲           │               │               │
       │  └───────────┴── lost, and ──┴───────────────┘
       ▼                  retries left
    cancelled
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection

from kotta.errors import ConflictError, DescriptionError, FieldProblem, NotFoundError, RequestError
from kotta.models import JobDescription
from kotta.models.problems import pointer
from kotta_service.messages import ExitRecord, RunnerReport
from kotta_service.settings import QueueSettings, Settings
from kotta_service.store import jobs as store
from kotta_service.store import uploads
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow, Step

TERMINAL = frozenset({"completed", "failed", "cancelled"})
_PHASES = ("staging_inputs", "processing", "staging_outputs")
_SCHEMES = ("http", "https", "kotta")


def limit_problems(
    settings: Settings, descriptions: Sequence[JobDescription]
) -> list[FieldProblem]:
    """What asks for more than its queue has, each place pointing into a submit request."""
    return [
        problem
        for index, description in enumerate(descriptions)
        for problem in _queue_problems(settings.queues, description, ("jobs", index))
    ]


def input_problems(
    connection: Connection, owner: str, descriptions: Sequence[JobDescription]
) -> list[FieldProblem]:
    """Inputs that can never be brought, each place pointing into a submit request."""
    problems: list[FieldProblem] = []
    uploaded: dict[str, tuple[str | int, ...]] = {}
    for index, description in enumerate(descriptions):
        for position, url in enumerate(description.inputs):
            where = ("jobs", index, "inputs", position)
            problem = _input_problem(connection, owner, url)
            if problem:
                problems.append(FieldProblem(pointer(*where), *problem))
            elif url.startswith("kotta://uploads/"):
                uploaded.setdefault(url.split("/")[3], where)
    problems += [
        FieldProblem(
            pointer(*uploaded[sha256]),
            "has not been uploaded",
            "`kotta submit` uploads the local files that `inputs` names",
        )
        for sha256 in uploads.missing(connection, owner, list(uploaded))
    ]
    return problems


def refuse_if(problems: Sequence[FieldProblem]) -> None:
    """Refuses what could be accepted but never run.

    Raises:
        DescriptionError: there are problems.
    """
    if problems:
        raise DescriptionError("the description cannot be run here", problems=tuple(problems))


def submit(
    transaction: Transaction,
    settings: Settings,
    owner: str,
    descriptions: Sequence[JobDescription],
    *,
    key: str | None,
    body_sha256: str,
    now: float,
) -> tuple[list[JobRow], bool]:
    """Accepts jobs in which no problem was found; once per key.

    Returns:
        The jobs in order, and whether they are new.

    Raises:
        RequestError: the key was used before, for something else (`idempotency_key_reused`).
    """
    if key is not None and (before := store.submission(transaction.connection, owner, key)):
        if before.body_sha256 != body_sha256:
            raise RequestError(
                "this idempotency key was used before, with another request",
                hint="use a new key for every new submission",
                code="idempotency_key_reused",
            )
        known = store.by_numbers(transaction.connection, before.first_number, before.job_count)
        return known, False
    rows = store.add(
        transaction,
        [_new_row(settings, owner, description, now) for description in descriptions],
    )
    if key is not None:
        store.keep_submission(
            transaction,
            owner=owner,
            key=key,
            body_sha256=body_sha256,
            first_number=rows[0].number,
            job_count=len(rows),
        )
    transaction.needs_assignment = True
    return rows, True


def cancel(transaction: Transaction, owner: str, job_id: str, now: float) -> JobRow:
    """Ends a pending job at once, asks for the end of a running one; twice is the same as once.

    Raises:
        NotFoundError: no such job.
        ConflictError: it has ended by itself (`already_ended`).
    """
    row = _own_job(transaction.connection, job_id, owner)
    if row.status == "pending":
        step = Step("cancelled", now, row.attempt)
        store.change(
            transaction, row.number, [step], reason="user", ended_at=now, cancel_requested_at=now
        )
    elif row.status in _PHASES and row.cancel_requested_at is None:
        store.change(transaction, row.number, [], cancel_requested_at=now)
    elif row.status in TERMINAL - {"cancelled"}:
        raise ConflictError(
            f"job {job_id} has {row.status} already",
            hint=f"kotta status {job_id}",
            code="already_ended",
        )
    return _own_job(transaction.connection, job_id, owner)


def report(transaction: Transaction, message: RunnerReport) -> bool:
    """Takes in what a runner says of its attempt.

    Returns:
        Whether it should cancel.

    Raises:
        NotFoundError: no such job.
        ConflictError: the job has ended, or is at another attempt (`conflict`).
    """
    row = store.summary_by_id(transaction.connection, message.job_id)
    if row is None:
        raise NotFoundError(f"there is no job {message.job_id}")
    if row.attempt != message.attempt or row.status not in _PHASES:
        raise ConflictError(f"attempt {message.attempt} of job {message.job_id} is over")
    if message.record is not None:
        finish(transaction, row, message.record)
        return False
    advance(transaction, row, message.timeline)
    return row.cancel_requested_at is not None


def advance(transaction: Transaction, row: JobRow, timeline: Mapping[str, float]) -> None:
    """Records the phases that a running job has entered since it was last heard of."""
    steps = _new_phases(row, timeline)
    if steps:
        store.change(
            transaction, row.number, steps, started_at=timeline.get("processing", row.started_at)
        )


def finish(transaction: Transaction, row: JobRow, record: ExitRecord) -> None:
    """Makes a running job terminal as its exit record says, outputs and all, in one step."""
    ended = record.timeline.get("ended") or max(record.timeline.values(), default=row.submitted_at)
    steps = [*_new_phases(row, record.timeline), Step(record.status, ended, row.attempt)]
    store.change(
        transaction,
        row.number,
        steps,
        reason=record.reason,
        exit_code=record.exit_code,
        signal=record.signal,
        error=record.error,
        started_at=record.timeline.get("processing"),
        ended_at=ended,
        staging_inputs_seconds=record.staging_inputs_seconds,
        processing_seconds=record.processing_seconds,
        staging_outputs_seconds=record.staging_outputs_seconds,
        cpu_seconds=record.cpu_seconds,
        peak_memory_bytes=record.peak_memory_bytes,
        result=record.result.model_dump() if record.result else None,
    )
    files = [output.model_dump() for output in record.outputs]
    store.keep_outputs(transaction, row.number, row.attempt, files)
    transaction.needs_assignment = True


def lose(transaction: Transaction, row: JobRow, now: float) -> None:
    """Makes a job whose runner is gone without a record `failed`, or pending if it may retry."""
    if row.cancel_requested_at is not None:
        drop(transaction, row, now)
        return
    transaction.needs_assignment = True
    if row.attempt <= row.retries:
        store.change(transaction, row.number, [Step("pending", now, row.attempt)], started_at=None)
        return
    store.change(
        transaction,
        row.number,
        [Step("failed", now, row.attempt)],
        reason="lost",
        error="what ran this job is gone without a word; it may have done part of its work",
        ended_at=now,
    )


def drop(transaction: Transaction, row: JobRow, now: float) -> None:
    """Makes a job of which nothing runs any more `cancelled`."""
    store.change(
        transaction,
        row.number,
        [Step("cancelled", now, row.attempt)],
        reason="user",
        ended_at=now,
    )
    transaction.needs_assignment = True


def refuse(transaction: Transaction, row: JobRow, error: str, now: float) -> None:
    """Makes a job `failed` whose inputs cannot be had any more."""
    store.change(
        transaction,
        row.number,
        [Step("failed", now, row.attempt)],
        reason="staging",
        error=error,
        ended_at=now,
    )


def own_job(connection: Connection, job_id: str, owner: str) -> JobRow:
    """The job with every column.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    return _own_job(connection, job_id, owner)


def _own_job(connection: Connection, job_id: str, owner: str) -> JobRow:
    row = store.by_id(connection, job_id, owner)
    if row is None:
        raise NotFoundError(f"there is no job {job_id}", hint="kotta list shows your jobs")
    return row


def _new_row(
    settings: Settings, owner: str, description: JobDescription, now: float
) -> dict[str, object]:
    queue = settings.queues[description.queue]
    return {
        "id": str(uuid.uuid4()),
        "owner": owner,
        "name": description.display_name,
        "queue": description.queue,
        "jobtype": description.jobtype,
        "tags": description.tags,
        "cpus": description.cpus,
        "memory_mib": description.memory or queue.default_memory_mib(description.cpus),
        "walltime_seconds": description.walltime * 60,
        "retries": description.retries,
        "submitted_at": now,
        "error": "",
        "description": description.model_dump(),
    }


def _new_phases(row: JobRow, timeline: Mapping[str, float]) -> list[Step]:
    reached = _PHASES.index(row.status)
    return [
        Step(phase, timeline[phase], row.attempt)
        for phase in _PHASES[reached + 1 :]
        if phase in timeline
    ]


def _queue_problems(
    queues: Mapping[str, QueueSettings], description: JobDescription, place: tuple[str | int, ...]
) -> list[FieldProblem]:
    queue = queues.get(description.queue)
    if queue is None:
        known = ", ".join(f"`{name}`" for name in queues)
        return [
            FieldProblem(
                pointer(*place, "queue"),
                f"there is no queue `{description.queue}`",
                f"the queues are {known}",
            )
        ]
    limits = (
        ("cpus", description.cpus, queue.cpus, "core"),
        ("memory", description.memory or 0, queue.memory_mib, "MiB"),
        ("walltime", description.walltime, queue.max_walltime_minutes, "minute"),
    )
    return [
        FieldProblem(
            pointer(*place, field),
            f"is {asked:g}, but queue `{description.queue}` has {limit} {unit}"
            + ("s at most" if unit != "MiB" and limit != 1 else " at most"),
        )
        for field, asked, limit, unit in limits
        if asked > limit
    ]


def _input_problem(connection: Connection, owner: str, url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return "names S3, and no S3 is configured here", "give an https:// URL or a local file"
    if parts.scheme not in _SCHEMES:
        return "is no URL", "`kotta submit` uploads local files; the service reads URLs only"
    if not parts.netloc:
        return "has no host", ""
    if parts.scheme != "kotta":
        return None
    path = parts.path.split("/")
    if parts.netloc == "uploads" and len(path) == 3:
        return None
    if parts.netloc == "jobs" and len(path) == 3:
        row = store.by_id(connection, path[1], owner)
        if row is None:
            return f"names a job that does not exist: {path[1]}", "kotta list shows your jobs"
        declared = JobDescription.model_construct(**row.description).declared_outputs
        if unquote(path[2]) in declared:
            return None
        return f"names no output of job {path[1]}", "it has " + ", ".join(declared)
    return "is not `kotta://uploads/<sha256>/<name>` or `kotta://jobs/<job id>/<name>`", ""
