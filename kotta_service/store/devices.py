"""Every statement about logins that a device began, and that a person is to approve."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from kotta_service.store.accounts import Found
from kotta_service.store.database import Transaction
from kotta_service.store.schema import device_grants


def add(transaction: Transaction, **values: Any) -> None:
    transaction.connection.execute(insert(device_grants).values(**values))


def by_secret(connection: Connection, device_sha256: str) -> Found:
    statement = select(device_grants).where(device_grants.c.device_sha256 == device_sha256)
    return connection.execute(statement).one_or_none()


def by_code(connection: Connection, user_code: str) -> Found:
    statement = select(device_grants).where(device_grants.c.user_code == user_code)
    return connection.execute(statement).one_or_none()


def change(transaction: Transaction, device_sha256: str, **values: Any) -> None:
    transaction.connection.execute(
        update(device_grants).where(device_grants.c.device_sha256 == device_sha256).values(**values)
    )


def forget(transaction: Transaction, device_sha256: str) -> None:
    transaction.connection.execute(
        delete(device_grants).where(device_grants.c.device_sha256 == device_sha256)
    )


def forget_expired_before(transaction: Transaction, moment: float) -> None:
    transaction.connection.execute(delete(device_grants).where(device_grants.c.expires_at < moment))


def count_of(connection: Connection, client: str, now: float) -> int:
    """How many were asked for from an address and have not expired."""
    statement = select(func.count()).where(
        device_grants.c.client == client, device_grants.c.expires_at > now
    )
    return int(connection.execute(statement).scalar_one())
