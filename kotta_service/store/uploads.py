"""Every statement about uploaded files."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from kotta_service.store import holdings, sharing
from kotta_service.store.database import Transaction
from kotta_service.store.schema import named_uploads, uploads, used_upload_urls


def missing(connection: Connection, owner: str, sha256: Sequence[str]) -> list[str]:
    """Those of `sha256` that `owner` has not uploaded, in the order given, each once."""
    wanted = list(dict.fromkeys(sha256))
    have: set[str] = set()
    # SQLite takes 32,766 parameters a statement at most
    for start in range(0, len(wanted), 10_000):
        statement = select(uploads.c.sha256).where(
            uploads.c.owner == owner, uploads.c.sha256.in_(wanted[start : start + 10_000])
        )
        have.update(connection.execute(statement).scalars())
    return [item for item in wanted if item not in have]


def holder(connection: Connection, reader: str, sha256: str) -> str:
    """Whose upload `reader` gets, where each owner's are kept apart.

    Their own; else that of an owner who shares a job with them of which it is an input; else,
    where such a job came by it the same way, that of whoever sent it first.
    """
    found = connection.execute(
        select(uploads.c.owner).where(uploads.c.sha256 == sha256).order_by(uploads.c.uploaded_at)
    )
    owners = list(found.scalars())
    if reader in owners or not owners:
        return reader
    lenders = sharing.lenders(connection, reader, sha256)
    return str(next((owner for owner in owners if owner in lenders), owners[0]))


def keep(
    transaction: Transaction, owner: str, sha256: str, size_bytes: int, uploaded_at: float
) -> bool:
    """Records an upload; False if it was there already."""
    if not missing(transaction.connection, owner, [sha256]):
        return False
    transaction.connection.execute(
        insert(uploads).values(
            owner=owner, sha256=sha256, size_bytes=size_bytes, uploaded_at=uploaded_at
        )
    )
    holdings.grow(transaction, owner, size_bytes)
    return True


def named(connection: Connection, owner: str, name: str) -> str | None:
    """SHA-256 of what a name of `owner`'s stands for now, None for nothing."""
    statement = select(named_uploads.c.sha256).where(
        named_uploads.c.owner == owner, named_uploads.c.name == name
    )
    return connection.execute(statement).scalar_one_or_none()


def keep_name(
    transaction: Transaction, owner: str, name: str, sha256: str, uploaded_at: float
) -> None:
    """Lets a name stand for these contents from now on."""
    values = {"sha256": sha256, "uploaded_at": uploaded_at}
    known = named_uploads.c.owner == owner, named_uploads.c.name == name
    if transaction.connection.execute(update(named_uploads).where(*known).values(values)).rowcount:
        return
    transaction.connection.execute(insert(named_uploads).values(owner=owner, name=name, **values))


def taken_by(connection: Connection, signature: str) -> str | None:
    """SHA-256 of the file that the upload URL of this signature has taken, None for none yet."""
    statement = select(used_upload_urls.c.sha256).where(used_upload_urls.c.signature == signature)
    return connection.execute(statement).scalar_one_or_none()


def take(
    transaction: Transaction, signature: str, sha256: str, *, expires_at: float, now: float
) -> None:
    """Notes that an upload URL has taken its file, and forgets those that have expired."""
    connection = transaction.connection
    connection.execute(delete(used_upload_urls).where(used_upload_urls.c.expires_at < now))
    connection.execute(
        insert(used_upload_urls).values(signature=signature, sha256=sha256, expires_at=expires_at)
    )
