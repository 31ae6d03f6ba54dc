"""Statements about jobs: what is asked of the database, and nothing of why.

Those about many jobs at once, as queues have them, are in `queues`; those that find jobs by what
people say of them, in `finding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update
from typing_extensions import Unpack

from kotta_service.store.database import Transaction
from kotta_service.store.schema import (
    counters,
    dependencies,
    jobs,
    outputs,
    submissions,
    tags,
    transitions,
)
from kotta_service.store.visibility import Whose

JobRow: TypeAlias = "Row[Unpack[tuple[Any, ...]]]"

SUMMARY = (
    jobs.c.number,
    jobs.c.id,
    jobs.c.owner,
    jobs.c.name,
    jobs.c.status,
    jobs.c.reason,
    jobs.c.queue,
    jobs.c.jobtype,
    jobs.c.tags,
    jobs.c.cpus,
    jobs.c.memory_mib,
    jobs.c.walltime_seconds,
    jobs.c.retries,
    jobs.c.attempt,
    jobs.c.array,
    jobs.c.array_index,
    jobs.c.waits_for,
    jobs.c.is_needed,
    jobs.c.change,
    jobs.c.submitted_at,
    jobs.c.started_at,
    jobs.c.ended_at,
    jobs.c.cancel_requested_at,
    jobs.c.handed_over_at,
    jobs.c.exit_code,
    jobs.c.signal,
    jobs.c.error,
)
ACTIVE = ("staging_inputs", "processing", "staging_outputs")
TERMINAL = ("completed", "failed", "cancelled")
# Statements that every job takes are built once: building one costs as much as running it.
_BY_ID = select(jobs).where(jobs.c.id == bindparam("job_id"))
_SUMMARY_BY_ID = select(*SUMMARY).where(jobs.c.id == bindparam("job_id"))
_CHANGE = update(jobs).where(jobs.c.number == bindparam("job_number"))
ADD_TRANSITION = insert(transitions)
_BEGUN_BEFORE = (
    update(transitions)
    .where(
        transitions.c.job_number == bindparam("of_job"),
        transitions.c.attempt == bindparam("of_attempt"),
        transitions.c.status == "staging_inputs",
        transitions.c.at > bindparam("begun"),
    )
    .values(at=bindparam("begun"))
)
_ADD_OUTPUT = insert(outputs)
_ADD_JOBS = insert(jobs)
_ADD_ONE = _ADD_JOBS.returning(*SUMMARY)
_BY_NUMBERS = (
    select(*SUMMARY)
    .where(jobs.c.number >= bindparam("first"), jobs.c.number < bindparam("behind"))
    .order_by(jobs.c.number)
)
_SUBMISSION = select(submissions).where(
    submissions.c.owner == bindparam("owner"), submissions.c.key == bindparam("key")
)
_KEEP_SUBMISSION = insert(submissions)
MANY_IDS = 500
"""How many values one statement compares with."""


@dataclass(frozen=True)
class Step:
    """One transition to be recorded: the state entered, when, and in which attempt."""

    status: str
    at: float
    attempt: int


def add(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> list[JobRow]:
    """Adds pending jobs in one go, each with its number, change and first transition."""
    number = transaction.take_numbers("job", len(rows))
    change = transaction.take_numbers("change", len(rows))
    values = [
        {**row, "number": number + i, "change": change + i, "status": "pending", "attempt": 0}
        for i, row in enumerate(rows)
    ]
    # one row comes back from where it was put; of many, as many statements would be made of it
    is_one = len(values) == 1
    added = transaction.connection.execute(_ADD_ONE if is_one else _ADD_JOBS, values)
    words = [
        {"owner": row["owner"], "tag": tag, "job_number": row["number"]}
        for row in values
        for tag in dict.fromkeys(row["tags"])
    ]
    if words:
        # in the order in which they are kept, they come in several times as fast
        words.sort(key=itemgetter("owner", "tag", "job_number"))
        transaction.connection.execute(insert(tags), words)
    transaction.insert_last(
        ADD_TRANSITION,
        [
            {
                "change": row["change"],
                "job_number": row["number"],
                "status": "pending",
                "at": row["submitted_at"],
                "attempt": 0,
            }
            for row in values
        ],
    )
    return list(added) if is_one else by_numbers(transaction.connection, number, len(rows))


def by_numbers(connection: Connection, first: int, count: int) -> list[JobRow]:
    """Jobs numbered from `first` on, `count` of them, in that order."""
    return list(connection.execute(_BY_NUMBERS, {"first": first, "behind": first + count}))


def by_id(connection: Connection, job_id: str, whose: Whose) -> JobRow | None:
    """One job with every column, None if there is none among these.

    A job that is not among them is not read: how long that takes would tell that it exists.
    """
    return connection.execute(_by_id_of(whose), {"job_id": job_id}).one_or_none()


def summary_by_id(connection: Connection, job_id: str) -> JobRow | None:
    """One job without its description and result, None if there is none."""
    return connection.execute(_SUMMARY_BY_ID, {"job_id": job_id}).one_or_none()


def change(transaction: Transaction, number: int, steps: Sequence[Step], **values: Any) -> None:
    """Sets columns of one job and records the transitions; the last one is its status."""
    first = transaction.take_numbers("change", max(1, len(steps)))
    last = first + max(1, len(steps)) - 1
    if steps:
        values["status"] = steps[-1].status
        transaction.ends_jobs = transaction.ends_jobs or steps[-1].status in TERMINAL
        transaction.insert_last(
            ADD_TRANSITION,
            [
                {
                    "change": first + i,
                    "job_number": number,
                    "status": step.status,
                    "at": step.at,
                    "attempt": step.attempt,
                }
                for i, step in enumerate(steps)
            ],
        )
    # the names of the values are the statement's key in SQLAlchemy's cache: few ways to call this
    transaction.connection.execute(_CHANGE, {**values, "job_number": number, "change": last})


def begun_before(transaction: Transaction, row: JobRow, at: float) -> None:
    """Has a job's attempt have begun at a moment, if it was noted to have done so later."""
    given = {"of_job": row.number, "of_attempt": row.attempt, "begun": at}
    transaction.connection.execute(_BEGUN_BEFORE, given)


def keep_outputs(
    transaction: Transaction, number: int, attempt: int, files: Iterable[dict[str, Any]]
) -> None:
    """Records the manifest of a job's final attempt."""
    rows = [
        {**file, "job_number": number, "attempt": attempt, "position": position}
        for position, file in enumerate(files)
    ]
    if rows:
        transaction.connection.execute(_ADD_OUTPUT, rows)


def need(transaction: Transaction, needed: Mapping[int, Sequence[int]]) -> None:
    """Has jobs wait until others have completed, all by their numbers."""
    pairs = sorted((other, number) for number, others in needed.items() for other in others)
    if not pairs:
        return
    transaction.connection.execute(
        insert(dependencies),
        [{"needed_number": other, "job_number": number} for other, number in pairs],
    )
    others = list(dict.fromkeys(other for other, _ in pairs))
    for start in range(0, len(others), MANY_IDS):
        part = others[start : start + MANY_IDS]
        transaction.connection.execute(
            update(jobs).where(jobs.c.number.in_(part)).values(is_needed=True)
        )


def needing(connection: Connection, number: int) -> list[JobRow]:
    """Pending jobs that wait for the job of this number."""
    return list(
        connection.execute(
            select(*SUMMARY)
            .join(dependencies, dependencies.c.job_number == jobs.c.number)
            .where(dependencies.c.needed_number == number, jobs.c.status == "pending")
            .order_by(jobs.c.number)
        )
    )


def needed_by(connection: Connection, number: int, limit: int) -> list[JobRow]:
    """Jobs that the job of this number waits for, which have not completed."""
    return list(
        connection.execute(
            select(*SUMMARY)
            .join(dependencies, dependencies.c.needed_number == jobs.c.number)
            .where(dependencies.c.job_number == number, jobs.c.status != "completed")
            .order_by(jobs.c.number)
            .limit(limit)
        )
    )


def need_one_less(transaction: Transaction, number: int) -> None:
    """One of the jobs that this one waits for has completed."""
    number_of_change = transaction.take_numbers("change", 1)
    transaction.connection.execute(
        update(jobs)
        .where(jobs.c.number == number)
        .values(waits_for=jobs.c.waits_for - 1, change=number_of_change)
    )


def by_ids(connection: Connection, ids: Sequence[str], whose: Whose) -> dict[str, JobRow]:
    """Those of these jobs that are among those of `whose`, by id."""
    found: dict[str, JobRow] = {}
    for start in range(0, len(ids), MANY_IDS):
        part = ids[start : start + MANY_IDS]
        statement = select(*SUMMARY).where(jobs.c.id.in_(part), whose)
        found.update((row.id, row) for row in connection.execute(statement))
    return found


def outputs_of(connection: Connection, number: int) -> list[JobRow]:
    statement = select(outputs).where(outputs.c.job_number == number).order_by(outputs.c.position)
    return list(connection.execute(statement))


def output(connection: Connection, job_id: str, name: str, whose: Whose) -> JobRow | None:
    """One available output file (name, attempt, size_bytes, sha256), None if there is none."""
    statement = (
        select(outputs)
        .join(jobs, jobs.c.number == outputs.c.job_number)
        .where(jobs.c.id == job_id, whose, outputs.c.name == name)
        .where(outputs.c.available)
        .order_by(outputs.c.position)
        .limit(1)
    )
    return connection.execute(statement).one_or_none()


def available_outputs(connection: Connection, number: int, names: Sequence[str]) -> list[JobRow]:
    """Those of these files of a job that it has made (name, attempt, size_bytes, sha256)."""
    statement = (
        select(outputs)
        .where(outputs.c.job_number == number, outputs.c.available)
        .where(outputs.c.name.in_(names))
    )
    return list(connection.execute(statement))


def transitions_of(connection: Connection, number: int) -> list[JobRow]:
    statement = (
        select(transitions.c.status, transitions.c.at, transitions.c.attempt)
        .where(transitions.c.job_number == number)
        .order_by(transitions.c.change)
    )
    return list(connection.execute(statement))


def last_number(connection: Connection) -> int:
    """The number of the job that was accepted last, 0 if none was."""
    statement = select(counters.c.value).where(counters.c.name == "job")
    return int(connection.execute(statement).scalar_one_or_none() or 0)


def whole(connection: Connection, job_id: str) -> JobRow | None:
    """One job with every column, whoever's it is; None if there is none."""
    return connection.execute(_BY_ID, {"job_id": job_id}).one_or_none()


def submission(connection: Connection, owner: str, key: str) -> JobRow | None:
    return connection.execute(_SUBMISSION, {"owner": owner, "key": key}).one_or_none()


def keep_submission(transaction: Transaction, **values: Any) -> None:
    transaction.connection.execute(_KEEP_SUBMISSION, values)


@lru_cache(maxsize=256)
def _by_id_of(whose: Whose) -> Select[Unpack[tuple[Any, ...]]]:
    return _BY_ID.where(whose)
