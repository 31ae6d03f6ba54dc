"""Every statement about whom jobs are shared with, and what comes with them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from kotta_service.store.database import Transaction
from kotta_service.store.jobs import MANY_IDS
from kotta_service.store.schema import jobs, shared_inputs, shares
from kotta_service.store.visibility import shared_with

_UPLOADS = "kotta://uploads/"


def readers_of(connection: Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
    """Who beside its owner may see each of these jobs, by number; nobody: left out."""
    found: dict[int, list[str]] = {}
    for start in range(0, len(numbers), MANY_IDS):
        statement = (
            select(shares.c.job_number, shares.c.reader)
            .where(shares.c.job_number.in_(numbers[start : start + MANY_IDS]))
            .order_by(shares.c.job_number, shares.c.reader)
        )
        for number, reader in connection.execute(statement):
            found.setdefault(number, []).append(reader)
    return found


def add(transaction: Transaction, numbers: Sequence[int], readers: Sequence[str]) -> None:
    """Lets these readers see these jobs; who may already still may."""
    connection = transaction.connection
    known = _among(connection, numbers, readers)
    rows = [
        {"job_number": number, "reader": reader}
        for number in numbers
        for reader in readers
        if (number, reader) not in known
    ]
    if rows:
        shared = _shared(connection, numbers)
        connection.execute(insert(shares), rows)
        _add_inputs(transaction, [number for number in numbers if number not in shared])


def end(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Nobody but its owner sees any of these jobs any more."""
    for start in range(0, len(numbers), MANY_IDS):
        part = numbers[start : start + MANY_IDS]
        for table in (shares, shared_inputs):
            transaction.connection.execute(delete(table).where(table.c.job_number.in_(part)))


def uploads_shared_with(connection: Connection, reader: str, sha256: Sequence[str]) -> set[str]:
    """Those of these uploads that are inputs of jobs which are shared with `reader`."""
    found: set[str] = set()
    for start in range(0, len(sha256), MANY_IDS):
        statement = (
            select(shared_inputs.c.sha256)
            .join(jobs, jobs.c.number == shared_inputs.c.job_number)
            .where(shared_inputs.c.sha256.in_(sha256[start : start + MANY_IDS]))
            .where(shared_with(reader))
            .distinct()
        )
        found.update(connection.execute(statement).scalars())
    return found


def lenders(connection: Connection, reader: str, sha256: str) -> set[str]:
    """Who shares a job with `reader` of which this upload is an input."""
    statement = (
        select(jobs.c.owner)
        .join(shared_inputs, jobs.c.number == shared_inputs.c.job_number)
        .where(shared_inputs.c.sha256 == sha256, shared_with(reader))
        .distinct()
    )
    return set(connection.execute(statement).scalars())


def _among(
    connection: Connection, numbers: Sequence[int], readers: Sequence[str]
) -> set[tuple[int, str]]:
    """Which of these jobs which of these readers may see already."""
    found: set[tuple[int, str]] = set()
    for start in range(0, len(numbers), MANY_IDS):
        statement = select(shares.c.job_number, shares.c.reader).where(
            shares.c.job_number.in_(numbers[start : start + MANY_IDS]), shares.c.reader.in_(readers)
        )
        found.update((number, reader) for number, reader in connection.execute(statement))
    return found


def _shared(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Those of these jobs that are shared with anybody."""
    found: set[int] = set()
    for start in range(0, len(numbers), MANY_IDS):
        part = numbers[start : start + MANY_IDS]
        statement = select(shares.c.job_number).where(shares.c.job_number.in_(part)).distinct()
        found.update(connection.execute(statement).scalars())
    return found


def _add_inputs(transaction: Transaction, numbers: Sequence[int]) -> None:
    rows = [
        {"sha256": sha256, "job_number": number}
        for start in range(0, len(numbers), MANY_IDS)
        for number, description in transaction.connection.execute(
            select(jobs.c.number, jobs.c.description).where(
                jobs.c.number.in_(numbers[start : start + MANY_IDS])
            )
        )
        for sha256 in {
            url.split("/")[3] for url in description.get("inputs") or () if url.startswith(_UPLOADS)
        }
    ]
    if rows:
        transaction.connection.execute(insert(shared_inputs), rows)
