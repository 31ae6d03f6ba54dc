"""Every statement about users, logins and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, and_, bindparam, delete, exists, insert, or_, select, update

from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.store.schema import (
    failures,
    identities,
    invitations,
    logins,
    refresh_tokens,
    users,
)

Found: TypeAlias = "JobRow | None"

# Statements that every request or commit takes are built once.
_LOGIN_AND_USER = (
    select(
        logins.c.id,
        logins.c.kind,
        logins.c.scopes,
        logins.c.expires_at,
        logins.c.revoked_at,
        logins.c.last_used_at,
        users.c.name,
        users.c.email,
        users.c.role,
        users.c.is_disabled,
    )
    .join(users, users.c.name == logins.c.user)
    .where(logins.c.id == bindparam("login"))
)
_USER = select(users).where(users.c.name == bindparam("user"))
_LIMITS = select(users.c.name, users.c.limits).where(users.c.limits.is_not(None))


def add_user(transaction: Transaction, **values: Any) -> None:
    transaction.connection.execute(insert(users).values(**values))


def change_user(transaction: Transaction, name: str, **values: Any) -> None:
    transaction.changes_accounts = True
    transaction.connection.execute(update(users).where(users.c.name == name).values(**values))


def user(connection: Connection, name: str) -> Found:
    return connection.execute(_USER, {"user": name}).one_or_none()


def user_by_email(connection: Connection, email: str) -> Found:
    return connection.execute(select(users).where(users.c.email == email)).one_or_none()


def all_users(connection: Connection) -> list[JobRow]:
    return list(connection.execute(select(users).order_by(users.c.name)))


def limits_of_all(connection: Connection) -> dict[str, dict[str, int]]:
    """The limits of those users who have others than everybody, by name."""
    return {row.name: row.limits for row in connection.execute(_LIMITS)}


def user_by_identity(connection: Connection, provider: str, subject: str) -> Found:
    statement = (
        select(users)
        .join(identities, identities.c.user == users.c.name)
        .where(identities.c.provider == provider, identities.c.subject == subject)
    )
    return connection.execute(statement).one_or_none()


def keep_identity(transaction: Transaction, provider: str, subject: str, name: str) -> None:
    transaction.connection.execute(
        insert(identities).values(provider=provider, subject=subject, user=name)
    )


def has_identity_at(connection: Connection, name: str, provider: str) -> bool:
    statement = select(identities.c.subject).where(
        identities.c.user == name, identities.c.provider == provider
    )
    return connection.execute(statement).first() is not None


def keep_invitation(
    transaction: Transaction, secret_sha256: str, name: str, expires_at: float
) -> None:
    """Keeps one way to choose a password; earlier ones of this user count no longer."""
    transaction.connection.execute(delete(invitations).where(invitations.c.user == name))
    transaction.connection.execute(
        insert(invitations).values(secret_sha256=secret_sha256, user=name, expires_at=expires_at)
    )


def invitation(connection: Connection, secret_sha256: str) -> Found:
    statement = select(invitations).where(invitations.c.secret_sha256 == secret_sha256)
    return connection.execute(statement).one_or_none()


def forget_invitation(transaction: Transaction, secret_sha256: str) -> bool:
    """False if it was not there any more."""
    statement = delete(invitations).where(invitations.c.secret_sha256 == secret_sha256)
    return transaction.connection.execute(statement).rowcount == 1


def add_login(transaction: Transaction, **values: Any) -> None:
    transaction.connection.execute(insert(logins).values(**values))


def login_and_user(connection: Connection, login: str) -> Found:
    """A login with its user (`id`, `kind`, `scopes`, times; `name`, `email`, `role`, …)."""
    return connection.execute(_LOGIN_AND_USER, {"login": login}).one_or_none()


def login(connection: Connection, identifier: str) -> Found:
    return connection.execute(select(logins).where(logins.c.id == identifier)).one_or_none()


def login_by_secret(connection: Connection, secret_sha256: str) -> str | None:
    """The id of a token's login."""
    statement = select(logins.c.id).where(logins.c.secret_sha256 == secret_sha256)
    return connection.execute(statement).scalar_one_or_none()


def logins_of(connection: Connection, name: str) -> list[JobRow]:
    """A user's logins and tokens that are not revoked, newest first."""
    statement = (
        select(logins)
        .where(logins.c.user == name, logins.c.revoked_at.is_(None))
        .order_by(logins.c.created_at.desc())
    )
    return list(connection.execute(statement))


def used(transaction: Transaction, login: str, at: float) -> None:
    transaction.connection.execute(
        update(logins).where(logins.c.id == login).values(last_used_at=at)
    )


def revoke(transaction: Transaction, ids: Sequence[str], at: float) -> None:
    """Ends logins and tokens, and forgets what could renew them."""
    transaction.changes_accounts = True
    transaction.connection.execute(
        update(logins)
        .where(logins.c.id.in_(ids), logins.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    transaction.connection.execute(delete(refresh_tokens).where(refresh_tokens.c.login.in_(ids)))


def forget_logins_before(
    transaction: Transaction, moment: float, unused_since: float, most: int
) -> int:
    """Forgets some that were revoked or had expired by a moment; how many they were.

    What a refresh token belongs to stays.

    Args:
        unused_since: a login that was used last before this has expired, too.
    """
    ended = or_(
        logins.c.revoked_at < moment,
        logins.c.expires_at < moment,
        and_(logins.c.kind == "login", logins.c.last_used_at < unused_since),
    )
    is_referred_to = exists().where(refresh_tokens.c.login == logins.c.id)
    some = select(logins.c.id).where(ended, ~is_referred_to).limit(most)
    return transaction.connection.execute(delete(logins).where(logins.c.id.in_(some))).rowcount


def keep_refresh_token(
    transaction: Transaction, secret_sha256: str, login: str, expires_at: float
) -> None:
    transaction.connection.execute(
        insert(refresh_tokens).values(
            secret_sha256=secret_sha256, login=login, expires_at=expires_at
        )
    )


def refresh_token(connection: Connection, secret_sha256: str) -> Found:
    statement = select(refresh_tokens).where(refresh_tokens.c.secret_sha256 == secret_sha256)
    return connection.execute(statement).one_or_none()


def replace_refresh_token(
    transaction: Transaction, secret_sha256: str, successor_sha256: str, at: float
) -> None:
    transaction.connection.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.secret_sha256 == secret_sha256)
        .values(replaced_by=successor_sha256, replaced_at=at)
    )


def forget_refresh_tokens_before(transaction: Transaction, moment: float) -> None:
    """Forgets those that had expired by then; they would be refused without a trace of them."""
    transaction.connection.execute(
        delete(refresh_tokens).where(refresh_tokens.c.expires_at < moment)
    )


def failure(connection: Connection, key: str) -> tuple[int, float]:
    """How often something failed, and when last."""
    statement = select(failures.c.count, failures.c.last_at).where(failures.c.key == key)
    row = connection.execute(statement).one_or_none()
    return (0, 0.0) if row is None else (row[0], row[1])


def note_failure(transaction: Transaction, key: str, count: int, at: float) -> None:
    transaction.connection.execute(delete(failures).where(failures.c.key == key))
    transaction.connection.execute(insert(failures).values(key=key, count=count, last_at=at))


def forget_failures(transaction: Transaction, key: str) -> None:
    transaction.connection.execute(delete(failures).where(failures.c.key == key))


def forget_failures_before(transaction: Transaction, moment: float) -> None:
    transaction.connection.execute(delete(failures).where(failures.c.last_at < moment))
