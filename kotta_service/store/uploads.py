"""Every statement about uploaded files."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from kotta_service.store.database import Transaction
from kotta_service.store.schema import uploads


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
    return True
