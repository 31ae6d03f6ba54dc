"""The rules: what may be submitted, and how a job moves from one state to the next.

Every change of a job's state in the whole service is made by a function here, inside a transaction
it is given. SQL lies in `store.jobs`; what starts and watches runners is the dispatcher.

::

    pending ─▶ staging_inputs ─▶ processing ─▶ staging_outputs ─▶ completed | failed | cancelled
       │  ▲           │               │               │
       │  └───────────┴── lost, and ──┴───────────────┘
       ▼                  retries left
    cancelled

A job that was handed to an engine with a queue of its own, such as Slurm, is pending until a runner
begins with its next attempt.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection

from kotta.errors import ConflictError, DescriptionError, FieldProblem, NotFoundError, RequestError
from kotta.models import JobDescription
from kotta.models.array import expand
from kotta.models.problems import pointer, unknown_queue
from kotta_service import isolation, limits
from kotta_service.executors import Verdict
from kotta_service.executors.router import Executors
from kotta_service.messages import ExitRecord, RunnerReport
from kotta_service.settings import QueueSettings, Settings
from kotta_service.store import holdings, sharing, uploads
from kotta_service.store import jobs as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow, Step, is_placed, placed_attempt
from kotta_service.store.visibility import Whose, own, readable_by

TERMINAL = frozenset(store.TERMINAL)
_PHASES = ("staging_inputs", "processing", "staging_outputs")
_SCHEMES = ("http", "https", "kotta")
MAX_JOBS = 10_000
"""Of one submission, arrays counted in full."""


@dataclass(frozen=True)
class Wanted:
    """One job that is asked for.

    Attributes:
        place: where it was asked for: its index in the request.
        array: id of its array, None for none.
        array_index: which one of it, None for none.
    """

    description: JobDescription
    place: int
    array: str | None = None
    array_index: int | None = None


def expanded(descriptions: Sequence[JobDescription]) -> list[Wanted]:
    """Every job that descriptions ask for.

    Raises:
        DescriptionError: an entry of an array cannot be accepted, or there are too many.
    """
    count = sum(len(description.array) or 1 for description in descriptions)
    if count > MAX_JOBS:
        raise DescriptionError(
            f"these are {count} jobs, and {MAX_JOBS} can be submitted at once",
            hint="submit them in parts",
        )
    wanted: list[Wanted] = []
    for place, description in enumerate(descriptions):
        if not description.array:
            wanted.append(Wanted(description, place))
            continue
        array = str(uuid.uuid4())
        found = expand(description, ("jobs", place))
        wanted += [Wanted(each, place, array, index) for index, each in enumerate(found)]
    return wanted


def engine_problems(executors: Executors, jobs: Sequence[Wanted]) -> list[FieldProblem]:
    """What the engines of their queues would take and never start; may ask an engine."""
    return [
        FieldProblem(pointer("jobs", job.place, field), words)
        for job in jobs
        if not job.array_index  # an array's jobs all ask for the same
        for field, words in executors.problems(job.description)
    ]


def limit_problems(settings: Settings, jobs: Sequence[Wanted]) -> list[FieldProblem]:
    """What asks for more than its queue has, each place pointing into a submit request."""
    return [
        problem
        for job in jobs
        if not job.array_index  # an array's jobs all ask for the same
        for problem in _queue_problems(settings.queues, job.description, ("jobs", job.place))
    ]


def input_problems(
    connection: Connection,
    owner: str,
    jobs: Sequence[Wanted],
    in_s3: Callable[[str], tuple[str, str] | None],
) -> list[FieldProblem]:
    """Inputs that can never be brought, each place pointing into a submit request.

    Args:
        in_s3: says what is wrong with an `s3://` URL, and a hint; None if nothing is.
    """
    problems: list[FieldProblem] = []
    uploaded: dict[str, tuple[str | int, ...]] = {}
    seen: set[tuple[int, str]] = set()
    for job in jobs:
        for position, url in enumerate(job.description.inputs):
            if (job.place, url) in seen:
                continue
            seen.add((job.place, url))
            where = ("jobs", job.place, "inputs", position)
            is_in_s3 = url.startswith("s3://")
            problem = in_s3(url) if is_in_s3 else _input_problem(connection, owner, url)
            if problem:
                problems.append(FieldProblem(pointer(*where), *problem))
            elif url.startswith("kotta://uploads/"):
                uploaded.setdefault(url.split("/")[3], where)
    missing = uploads.missing(connection, owner, list(uploaded))
    lent = sharing.uploads_shared_with(connection, owner, missing)
    problems += [
        FieldProblem(
            pointer(*uploaded[sha256]),
            "has not been uploaded",
            "`kotta submit` uploads the local files that `inputs` names",
        )
        for sha256 in missing
        if sha256 not in lent
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
    wanted: Sequence[Wanted],
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
        DescriptionError: what one of them is to come after does not exist, or will not complete;
            or its queue cannot run it for this owner.
        QuotaError: they would be more than the owner may have.
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
    refuse_if_not_isolated(settings, owner, wanted)
    cpus = [job.description.cpus for job in wanted]
    limits.refuse_submission(transaction.connection, settings, owner, cpus)
    needed = needed_by(transaction.connection, owner, wanted)
    rows = store.add(
        transaction,
        [
            {**_new_row(settings, owner, job, now), "waits_for": len(needed[job.place])}
            for job in wanted
        ],
    )
    for row, job in zip(rows, wanted, strict=True):
        if numbers := needed[job.place]:
            store.need(transaction, row.number, numbers)
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


def refuse_if_not_isolated(settings: Settings, owner: str, wanted: Sequence[Wanted]) -> None:
    """Refuses jobs that their queue cannot keep from others as it should."""
    # an array's jobs all ask for the same
    places = [(job.place, job.description) for job in wanted if not job.array_index]
    refuse_if(isolation.submit_problems(settings, owner, places))


def needed_by(connection: Connection, owner: str, wanted: Sequence[Wanted]) -> dict[int, list[int]]:
    """Numbers of the open jobs that must complete first, by the place that asks for it."""
    ids = {job.place: job.description.after for job in wanted}
    everything = list(dict.fromkeys(each for after in ids.values() for each in after))
    known = store.by_ids(connection, everything, own(owner)) if everything else {}
    problems = []
    needed: dict[int, list[int]] = {}
    for place, after in ids.items():
        numbers = set()
        for position, each in enumerate(after):
            row = known.get(each)
            where = pointer("jobs", place, "after", position)
            if row is None:
                words = f"names a job that does not exist: {each}"
                problems.append(FieldProblem(where, words, "kotta list shows your jobs"))
            elif row.status in ("failed", "cancelled"):
                words = f"names job {each}, which has {row.status}: this one would never start"
                problems.append(FieldProblem(where, words, "kotta rerun submits that one again"))
            elif row.status != "completed":
                numbers.add(row.number)
        needed[place] = sorted(numbers)
    refuse_if(problems)
    return needed


def cancel_many(
    transaction: Transaction, whose: Whose, ids: Sequence[str], now: float
) -> list[str]:
    """Asks for the end of all of these that have not ended yet, in the order of submission.

    Args:
        whose: the jobs that the caller may end.

    Returns:
        Ids of those that run and have to be told.

    Raises:
        NotFoundError: one does not exist among those; nothing was done.
    """
    rows = store.by_ids(transaction.connection, list(dict.fromkeys(ids)), whose)
    for job_id in ids:
        if job_id not in rows:
            raise _no_job(job_id)
    running = []
    for row in sorted(rows.values(), key=lambda row: int(row.number)):
        # the cancellation of one may have ended those that come after it
        fresh = store.summary_by_id(transaction.connection, row.id)
        if fresh is not None and _asked_to_end(transaction, fresh, now):
            running.append(row.id)
    return running


def cancel(transaction: Transaction, whose: Whose, job_id: str, now: float) -> JobRow:
    """Ends a pending job at once, asks for the end of a running one; twice is the same as once.

    Raises:
        NotFoundError: no such job among those that the caller may end.
        ConflictError: it has ended by itself (`already_ended`).
    """
    row = known_job(transaction.connection, job_id, whose)
    _asked_to_end(transaction, row, now)
    if row.status in TERMINAL - {"cancelled"}:
        raise ConflictError(
            f"job {job_id} has {row.status} already",
            hint=f"kotta status {job_id}",
            code="already_ended",
        )
    return known_job(transaction.connection, job_id, whose)


def _asked_to_end(transaction: Transaction, row: JobRow, now: float) -> bool:
    """Ends it if it is pending; True if an executor has it, and has to be told."""
    if row.status == "pending" and not is_placed(row):
        _end(transaction, row, Step("cancelled", now, row.attempt), reason="user",
             ended_at=now, cancel_requested_at=now)  # fmt: skip
    elif is_placed(row) and row.cancel_requested_at is None:
        store.change(transaction, row.number, [], cancel_requested_at=now)
    return is_placed(row)


def _end(transaction: Transaction, row: JobRow, *steps: Step, **values: object) -> None:
    """Makes a job terminal by the last of these steps, and settles those that come after it."""
    store.change(transaction, row.number, steps, **values)
    if not row.is_needed:
        return
    ended = [(row, steps[-1])]
    while ended:
        needed, step = ended.pop()
        for other in store.needing(transaction.connection, needed.number):
            if step.status == "completed":
                store.need_one_less(transaction, other.number)
                transaction.needs_assignment = True
                continue
            end = Step("cancelled", step.at, other.attempt)
            store.change(
                transaction,
                other.number,
                [end],
                reason="dependency",
                error=f"job {needed.id} ({needed.name}), which it was to come after, "
                + ("has failed" if step.status == "failed" else "was cancelled"),
                ended_at=step.at,
            )
            if other.is_needed:
                ended.append((other, end))


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
    if not is_placed(row) or placed_attempt(row) != message.attempt:
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
            transaction,
            row.number,
            steps,
            attempt=steps[-1].attempt,
            started_at=timeline.get("processing", row.started_at),
        )


def finish(transaction: Transaction, row: JobRow, record: ExitRecord) -> None:
    """Makes a running job terminal as its exit record says, outputs and all, in one step."""
    ended = record.timeline.get("ended") or max(record.timeline.values(), default=row.submitted_at)
    attempt = placed_attempt(row)
    steps = [*_new_phases(row, record.timeline), Step(record.status, ended, attempt)]
    _end(
        transaction,
        row,
        *steps,
        attempt=attempt,
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
    store.keep_outputs(transaction, row.number, attempt, files)
    kept_bytes = sum(output.size_bytes or 0 for output in record.outputs if output.available)
    holdings.grow(transaction, row.owner, kept_bytes)
    transaction.needs_assignment = True


def lose(transaction: Transaction, row: JobRow, now: float, words: str = "") -> None:
    """Makes a job whose runner is gone without a record `failed`, or pending if it may retry.

    Args:
        words: what is known of how that came.
    """
    if row.cancel_requested_at is not None:
        drop(transaction, row, now)
        return
    transaction.needs_assignment = True
    attempt = placed_attempt(row)
    # an engine had it, and what became of that attempt is all that is known of it
    begun = [Step("staging_inputs", now, attempt)] if row.status == "pending" else []
    if may_retry(row):
        store.change(
            transaction,
            row.number,
            [*begun, Step("pending", now, attempt)],
            attempt=attempt,
            started_at=None,
            handed_over_at=None,
        )
        return
    _end(
        transaction,
        row,
        *begun,
        Step("failed", now, attempt),
        attempt=attempt,
        reason="lost",
        error=words
        or "what ran this job is gone without a word; it may have done part of its work",
        ended_at=now,
    )


def may_retry(row: JobRow) -> bool:
    """Whether a placed job that is lost is tried again."""
    return row.cancel_requested_at is None and placed_attempt(row) <= int(row.retries)


def settle(transaction: Transaction, row: JobRow, verdict: Verdict, now: float) -> None:
    """Ends a job of whose end an engine knows, and its runner could not tell."""
    if row.cancel_requested_at is not None:
        drop(transaction, row, now)
        return
    _end(
        transaction,
        row,
        Step(verdict.status, now, row.attempt),
        reason=verdict.reason,
        error=verdict.words,
        ended_at=now,
    )
    transaction.needs_assignment = True


def drop(transaction: Transaction, row: JobRow, now: float) -> None:
    """Makes a job of which nothing runs any more `cancelled`."""
    _end(
        transaction,
        row,
        Step("cancelled", now, row.attempt),
        reason="user",
        ended_at=now,
    )
    transaction.needs_assignment = True


def refuse(transaction: Transaction, row: JobRow, error: str, now: float) -> None:
    """Makes a job `failed` whose inputs cannot be had any more."""
    _end(
        transaction,
        row,
        Step("failed", now, row.attempt),
        reason="staging",
        error=error,
        ended_at=now,
    )


def known_job(connection: Connection, job_id: str, whose: Whose) -> JobRow:
    """A job with every column.

    Raises:
        NotFoundError: there is none of that id among those of `whose`.
    """
    row = store.by_id(connection, job_id, whose)
    if row is None:
        raise _no_job(job_id)
    return row


def attempt_of(row: JobRow, asked: int) -> int:
    """The attempt of a job that is asked for, 0 meaning its latest.

    Raises:
        NotFoundError: the job has not come to it.
    """
    if asked > row.attempt:
        raise NotFoundError(
            f"job {row.id} has no attempt {asked}: it is at {row.attempt}",
            hint=f"kotta status {row.id}",
        )
    return asked or int(row.attempt)


def _no_job(job_id: str) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id}", hint="kotta list shows your jobs")


def _new_row(settings: Settings, owner: str, wanted: Wanted, now: float) -> dict[str, object]:
    description = wanted.description
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
        "array": wanted.array,
        "array_index": wanted.array_index,
        "is_needed": False,
        "submitted_at": now,
        "error": "",
        "description": description.model_dump(),
    }


def _new_phases(row: JobRow, timeline: Mapping[str, float]) -> list[Step]:
    reached = -1 if row.status == "pending" else _PHASES.index(row.status)
    attempt = placed_attempt(row)
    return [
        Step(phase, timeline[phase], attempt)
        for phase in _PHASES[reached + 1 :]
        if phase in timeline
    ]


def _queue_problems(
    queues: Mapping[str, QueueSettings], description: JobDescription, place: tuple[str | int, ...]
) -> list[FieldProblem]:
    queue = queues.get(description.queue)
    if queue is None:
        return [unknown_queue(pointer(*place, "queue"), description.queue, queues)]
    most = (
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
        for field, asked, limit, unit in most
        if asked > limit
    ]


def _input_problem(connection: Connection, owner: str, url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
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
        row = store.by_id(connection, path[1], readable_by(owner))
        if row is None:
            return f"names a job that does not exist: {path[1]}", "kotta list shows your jobs"
        declared = JobDescription.model_construct(**row.description).declared_outputs
        if unquote(path[2]) in declared:
            return None
        return f"names no output of job {path[1]}", "it has " + ", ".join(declared)
    return "is not `kotta://uploads/<sha256>/<name>` or `kotta://jobs/<job id>/<name>`", ""
