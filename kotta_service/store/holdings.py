"""How much of the storage is whose, counted as it comes: uploads, and outputs that are kept."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from kotta_service.store.database import Transaction
from kotta_service.store.schema import holdings

# each job that ends takes it, so it is built once
_GROW = (
    update(holdings)
    .where(holdings.c.owner == bindparam("whose"))
    .values(storage_bytes=holdings.c.storage_bytes + bindparam("more"))
)


def storage_bytes(connection: Connection, owner: str) -> int:
    """What somebody's uploads and outputs hold together."""
    statement = select(holdings.c.storage_bytes).where(holdings.c.owner == owner)
    return int(connection.execute(statement).scalar_one_or_none() or 0)


def grow(transaction: Transaction, owner: str, more_bytes: int) -> None:
    """Counts what has come for `owner`."""
    if not more_bytes:
        return
    grown = transaction.connection.execute(_GROW, {"whose": owner, "more": more_bytes})
    if not grown.rowcount:
        transaction.connection.execute(
            insert(holdings).values(owner=owner, storage_bytes=more_bytes)
        )
