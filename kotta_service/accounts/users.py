"""Users: who they are, what they may, and how they come by a password."""

from __future__ import annotations

import re
import time
from typing import Any

from sqlalchemy import Connection

from kotta.errors import ConflictError, NotFoundError, RequestError
from kotta_service.accounts import secrets
from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow

ROLES = ("user", "admin")
INVITATION_SECONDS = 7 * 24 * 3600
RESERVED = frozenset({"local", "everyone", "off", "me"})
"""Names that mean something else where a user's is expected."""
_NAME = re.compile(r"^[a-z_][a-z0-9_.-]{0,63}\Z")
_EMAIL = re.compile(r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,255}\Z")


def add(transaction: Transaction, name: str, email: str, *, role: str = "user") -> None:
    """Makes a user.

    Raises:
        RequestError: the name or address cannot be one.
        ConflictError: somebody has it already.
    """
    if name in RESERVED:
        raise RequestError(
            f"`{name}` cannot be a user's name: it means something else", hint="take another one"
        )
    if not _NAME.match(name):
        raise RequestError(
            f"`{name}` cannot be a user's name",
            hint="up to 64 of a-z, 0-9, `_`, `.`, `-`, beginning with a letter",
        )
    email = email.strip().lower()
    if not is_address(email):
        raise RequestError(f"`{email}` is no address of mail", hint="somebody@example.org")
    check_role(role)
    if store.user(transaction.connection, name) is not None:
        raise ConflictError(f"there is a user {name} already", hint="kotta admin user list")
    if store.user_by_email(transaction.connection, email) is not None:
        raise ConflictError(
            f"there is a user with the address {email} already", hint="kotta admin user list"
        )
    store.add_user(
        transaction,
        name=name,
        email=email,
        role=role,
        is_disabled=False,
        created_at=time.time(),
    )


def invite(transaction: Transaction, name: str) -> str:
    """A secret by which a user chooses a password, once, within a week; earlier ones are void.

    Raises:
        NotFoundError: there is no such user.
    """
    known(transaction.connection, name)
    secret = secrets.make(secrets.INVITATION)
    expires_at = time.time() + INVITATION_SECONDS
    store.keep_invitation(transaction, secrets.digest(secret), name, expires_at)
    return secret


def invited(connection: Connection, secret: str) -> str | None:
    """The user whose invitation this is, None if it does not count (any more)."""
    return invited_by_digest(connection, secrets.digest(secret))


def invited_by_digest(connection: Connection, digest: str) -> str | None:
    """The same, by what is kept of an invitation."""
    found = store.invitation(connection, digest)
    return None if found is None or found.expires_at <= time.time() else str(found.user)


def use_up(transaction: Transaction, secret: str) -> None:
    """An invitation counts no longer.

    Raises:
        NotFoundError: it did not before.
    """
    if not store.forget_invitation(transaction, secrets.digest(secret)):
        raise NotFoundError("this invitation does not count any more")


def known(connection: Connection, name: str) -> JobRow:
    """A user.

    Raises:
        NotFoundError: there is none of that name.
    """
    found = store.user(connection, name)
    if found is None:
        raise NotFoundError(f"there is no user `{name}`", hint="kotta admin user list")
    return found


def change(transaction: Transaction, name: str, **values: Any) -> None:
    """Sets `role`, `is_disabled` or `limits`; one who is disabled is logged out everywhere.

    Raises:
        NotFoundError: there is no such user.
        RequestError: there is no such role.
    """
    known(transaction.connection, name)
    if "role" in values:
        check_role(values["role"])
    store.change_user(transaction, name, **values)
    if values.get("is_disabled"):
        ids = [login.id for login in store.logins_of(transaction.connection, name)]
        store.revoke(transaction, ids, time.time())


def is_address(email: str) -> bool:
    """Whether mail could be sent there."""
    return bool(_EMAIL.match(email))


def check_role(role: str) -> None:
    """Refuses what is no role.

    Raises:
        RequestError: it is none.
    """
    if role not in ROLES:
        raise RequestError(f"`{role}` is no role", hint="user or admin")
