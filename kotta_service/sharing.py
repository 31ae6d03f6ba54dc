"""The rules of sharing: who may let whom see which jobs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from kotta.errors import NotFoundError, RequestError
from kotta.models import SharedJob
from kotta_service.store import accounts, sharing
from kotta_service.store import jobs as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import EVERYBODY, own

MAX_SHARES = 50_000
"""Jobs times readers of one request: the one writer adds them within about a second."""


def refuse_excess(ids: Sequence[str], readers: Sequence[str]) -> None:
    """Refuses to share more than can be done at once.

    Raises:
        RequestError: it is more (`too_large`).
    """
    if len(ids) * len(readers) > MAX_SHARES:
        raise RequestError(
            f"{len(ids):,} jobs for each of {len(readers)} readers are more than the "
            f"{MAX_SHARES:,} shares that can be made at once",
            hint="share fewer jobs at once",
            code="too_large",
        )


def share(
    transaction: Transaction,
    owner: str,
    ids: Sequence[str],
    readers: Sequence[str],
    *,
    replace: bool,
) -> list[JobRow]:
    """Lets users see jobs of `owner`: all of them, or none.

    Args:
        readers: names of users, or `*` for everybody.
        replace: nobody else may see them any more.

    Returns:
        The jobs in the order of `ids`.

    Raises:
        NotFoundError: one of the jobs does not exist or is not the owner's, or there is no such
            user; nothing was done.
    """
    connection = transaction.connection
    asked = list(dict.fromkeys(ids))
    known = store.by_ids(connection, asked, own(owner))
    for job_id in asked:
        if job_id not in known:
            raise NotFoundError(f"there is no job {job_id}", hint="kotta list shows your jobs")
    wanted = [name for name in dict.fromkeys(readers) if name != owner]
    for name in wanted:
        if name != EVERYBODY and accounts.user(connection, name) is None:
            raise NotFoundError(f"there is no user {name}", hint="a name as `kotta whoami` says it")
    numbers = [int(row.number) for row in known.values()]
    if replace:
        sharing.end(transaction, numbers)
    sharing.add(transaction, numbers, wanted)
    return [known[job_id] for job_id in asked]


def told(connection: Connection, jobs: Sequence[JobRow]) -> list[SharedJob]:
    """Jobs, each with everybody who may see it now."""
    readers = sharing.readers_of(connection, [job.number for job in jobs])
    return [
        SharedJob(id=job.id, name=job.name, shared_with=readers.get(job.number, [])) for job in jobs
    ]
