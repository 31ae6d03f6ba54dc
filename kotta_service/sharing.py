"""The rules of sharing: who may let whom see which jobs."""

from __future__ import annotations

from collections.abc import Sequence

from kotta.errors import NotFoundError
from kotta.models import SharedJob
from kotta_service.store import accounts, sharing
from kotta_service.store import jobs as store
from kotta_service.store.database import Transaction
from kotta_service.store.visibility import EVERYBODY, own


def share(
    transaction: Transaction,
    owner: str,
    ids: Sequence[str],
    readers: Sequence[str],
    *,
    replace: bool,
) -> list[SharedJob]:
    """Lets users see jobs of `owner`: all of them, or none.

    Args:
        readers: names of users, or `*` for everybody.
        replace: nobody else may see them any more.

    Returns:
        The jobs in the order of `ids`, each with everybody who may see it now.

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
    now = sharing.readers_of(connection, numbers)
    return [
        SharedJob(id=job_id, name=known[job_id].name, shared_with=now.get(known[job_id].number, []))
        for job_id in asked
    ]
