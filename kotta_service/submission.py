"""What may be submitted, and its acceptance: how a job comes to be.

What becomes of it then is a matter of `jobs`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Connection

from kotta.errors import DescriptionError, FieldProblem, RequestError
from kotta.models import JobDescription
from kotta.models.array import expand
from kotta.models.problems import pointer, unknown_queue
from kotta_service import extent, isolation, limits, own_urls
from kotta_service.executors.router import Executors
from kotta_service.settings import QueueSettings, Settings
from kotta_service.store import jobs as store
from kotta_service.store import sharing, uploads
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import own, readable_by

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
        DescriptionError: an entry of an array cannot be accepted, or they are too many, or too
            large.
    """
    count = sum(len(description.array) or 1 for description in descriptions)
    if count > MAX_JOBS:
        raise DescriptionError(
            f"these are {count} jobs, and {MAX_JOBS} can be submitted at once",
            hint="submit them in parts",
        )
    extent.refuse_excess(descriptions)
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
    store.need(
        transaction,
        {row.number: needed[job.place] for row, job in zip(rows, wanted, strict=True)},
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
    named = own_urls.parsed(url)
    if named is None:
        return "is not `kotta://uploads/<sha256>/<name>` or `kotta://jobs/<job id>/<name>`", ""
    if named.kind == "uploads":
        return None
    row = store.by_id(connection, named.place, readable_by(owner))
    if row is None:
        return f"names a job that does not exist: {named.place}", "kotta list shows your jobs"
    declared = JobDescription.model_construct(**row.description).declared_outputs
    if named.name in declared:
        return None
    return f"names no output of job {named.place}", "it has " + ", ".join(declared)
