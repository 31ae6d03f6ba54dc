"""Logins from a terminal: a device asks, a person approves in a browser, the device gets tokens.

The rules of RFC 8628 (OAuth 2.0 Device Authorization Grant).
"""

from __future__ import annotations

import secrets as randomness
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from kotta.errors import NotFoundError, QuotaError
from kotta_service.accounts import secrets
from kotta_service.accounts.logins import Logins, Tokens
from kotta_service.store import accounts, devices
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow

EXPIRES_SECONDS = 900
INTERVAL_SECONDS = 5
SLOW_DOWN_SECONDS = 5
EARLY_SECONDS = 0.5
"""How much sooner than asked a device may come, for networks are not even."""
MAX_WAITING = 500
"""Logins from one address that nobody has approved yet."""
KEPT_SECONDS = 3600
"""For how long what has expired is told from what never was."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Source: RFC 8628, 6.1: consonants alone, which spell no words and have no case."""
_HALF = 4

PENDING, APPROVED, DENIED = "pending", "approved", "denied"


@dataclass(frozen=True)
class Begun:
    """What a device is told; its secret is kept nowhere."""

    device_code: str
    user_code: str


@dataclass(frozen=True)
class Waiting:
    """A login that waits for approval, as the person who approves it sees it.

    Attributes:
        label: what the device calls itself: its word alone.
        client: the address that it asked from.
        scopes: what it asks for.
    """

    user_code: str
    label: str
    client: str
    scopes: Sequence[str]


@dataclass(frozen=True)
class Granted:
    """The end of a login that was approved."""

    user: str
    tokens: Tokens
    scopes: Sequence[str]


@dataclass(frozen=True)
class Refused:
    """Why a device gets no tokens: an error of RFC 8628, 3.5, or RFC 6749, 5.2."""

    error: str
    description: str


def begin(transaction: Transaction, *, label: str, client: str, scopes: Sequence[str]) -> Begun:
    """Begins a login.

    Raises:
        QuotaError: too many from this address wait for somebody already.
    """
    now = time.time()
    devices.forget_expired_before(transaction, now - KEPT_SECONDS)
    if devices.count_of(transaction.connection, client, now) >= MAX_WAITING:
        raise QuotaError("too many logins from this address wait to be approved")
    begun = Begun(secrets.make(secrets.DEVICE), _new_code(transaction.connection))
    devices.add(
        transaction,
        device_sha256=secrets.digest(begun.device_code),
        user_code=begun.user_code,
        label=label,
        client=client,
        scopes=list(scopes),
        expires_at=now + EXPIRES_SECONDS,
        interval_seconds=INTERVAL_SECONDS,
        status=PENDING,
    )
    return begun


def poll(transaction: Transaction, device_code: str, logins: Logins) -> Granted | Refused:
    """What a device gets that asks whether its login was approved; tokens once.

    It raises nothing, because what it notes has to be kept, whatever it answers.
    """
    now = time.time()
    digest = secrets.digest(device_code)
    row = devices.by_secret(transaction.connection, digest)
    if row is None:
        return Refused("invalid_grant", "no login waits with this device code")
    if row.expires_at <= now:
        return Refused("expired_token", "nobody approved the login in time: begin again")
    if row.status == DENIED:
        return Refused("access_denied", "the login was denied")
    if row.status == APPROVED:
        return _granted(transaction, row, logins)
    is_early = (
        row.polled_at is not None and now - row.polled_at < row.interval_seconds - EARLY_SECONDS
    )
    interval = row.interval_seconds + SLOW_DOWN_SECONDS * is_early
    devices.change(transaction, digest, polled_at=now, interval_seconds=interval)
    if is_early:
        return Refused("slow_down", f"ask every {interval} seconds")
    return Refused("authorization_pending", "nobody has approved the login yet")


def waiting(connection: Connection, typed: str) -> Waiting | None:
    """The login with this code, if it waits for approval; case and hyphens do not matter."""
    row = devices.by_code(connection, canonical_code(typed))
    if row is None or row.status != PENDING or row.expires_at <= time.time():
        return None
    return Waiting(row.user_code, row.label, row.client, tuple(row.scopes))


def decide(transaction: Transaction, user_code: str, user: str, *, is_approved: bool) -> None:
    """Approves a login as this user, or denies it.

    Raises:
        NotFoundError: it waits no longer.
    """
    row = devices.by_code(transaction.connection, user_code)
    if row is None or row.status != PENDING or row.expires_at <= time.time():
        raise NotFoundError("this login does not wait for anybody any more", hint="kotta login")
    devices.change(
        transaction,
        row.device_sha256,
        status=APPROVED if is_approved else DENIED,
        user=user,
    )


def allowed(scopes: Sequence[str], *, is_admin: bool) -> list[str]:
    """Those of the scopes that a user may have: `admin` is for administrators."""
    return [scope for scope in scopes if scope != "admin" or is_admin]


def canonical_code(typed: str) -> str:
    """A code as it is kept, from what a person typed."""
    letters = "".join(letter for letter in typed.upper() if letter.isalnum())
    return f"{letters[:_HALF]}-{letters[_HALF:]}"[: 2 * _HALF + 2]


def _granted(transaction: Transaction, row: JobRow, logins: Logins) -> Granted | Refused:
    user = accounts.user(transaction.connection, row.user)
    devices.forget(transaction, row.device_sha256)
    if user is None or user.is_disabled:
        return Refused("access_denied", "this user may not log in")
    scopes = allowed(row.scopes, is_admin=user.role == "admin")
    tokens = logins.begin(transaction, user.name, label=row.label, scopes=scopes)
    return Granted(user.name, tokens, scopes)


def _new_code(connection: Connection) -> str:
    while True:
        letters = "".join(randomness.choice(_LETTERS) for _ in range(2 * _HALF))
        code = f"{letters[:_HALF]}-{letters[_HALF:]}"
        if devices.by_code(connection, code) is None:
            return code
