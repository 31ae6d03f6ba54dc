"""Logins: how a user's proof of who they are becomes tokens, and how tokens are renewed and ended.

::

    a login ──▶ access token   one hour, signed, says which login it belongs to
            └─▶ refresh token  90 days, used once: each use gives the next one
    a token ──▶ one secret     as long as its maker wished, for scripts

A refresh token that is used a second time was stolen, from its owner or by them: its login ends.
The one exception is an answer that got lost on its way: for a little while the last token may be
used again, if the one that took its place has not been.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from kotta.errors import LoginRequiredError
from kotta_service.accounts import secrets
from kotta_service.accounts.keys import ACCESS_SECONDS, TokenKeys
from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow

REFRESH_SECONDS = 90 * 24 * 3600
LOST_ANSWER_SECONDS = 30
ENDED_SECONDS = 24 * 3600
"""For so long a login or token is kept that counts no longer."""
USED_AGAIN_SECONDS = 300
"""How exactly it is known when a login was last used."""


@dataclass(frozen=True)
class Tokens:
    """What a client gets; it is told of nowhere else, and not kept."""

    access_token: str
    refresh_token: str
    expires_in: int = ACCESS_SECONDS


@dataclass(frozen=True)
class User:
    name: str
    email: str
    role: str


@dataclass(frozen=True)
class Login:
    id: str
    scopes: Sequence[str]
    last_used_at: float | None = None

    @property
    def is_newly_used(self) -> bool:
        """Whether it is worth a write to note that it is used now."""
        return time.time() - (self.last_used_at or 0) > USED_AGAIN_SECONDS


class Logins:
    """The rules of logins; changes are made in transactions that are given."""

    def __init__(self, keys: TokenKeys) -> None:
        self.keys = keys

    def begin(
        self, transaction: Transaction, user: str, *, label: str, scopes: Sequence[str]
    ) -> Tokens:
        """Logs a user in, whose proof has been checked.

        Args:
            label: what it is called in lists, such as the name of the computer.
        """
        now = time.time()
        login = str(uuid.uuid4())
        store.add_login(
            transaction,
            id=login,
            user=user,
            kind="login",
            label=label,
            scopes=list(scopes),
            created_at=now,
            last_used_at=now,
        )
        return self._tokens(transaction, user, login, now)[0]

    def make_token(
        self,
        transaction: Transaction,
        user: str,
        *,
        label: str,
        scopes: Sequence[str],
        expires_at: float | None,
    ) -> tuple[str, str]:
        """A token for scripts: its id, by which it is listed and revoked, and its secret."""
        secret, identifier = secrets.make(secrets.TOKEN), str(uuid.uuid4())
        store.add_login(
            transaction,
            id=identifier,
            user=user,
            kind="token",
            label=label,
            scopes=list(scopes),
            created_at=time.time(),
            expires_at=expires_at,
            secret_sha256=secrets.digest(secret),
        )
        return identifier, secret

    def authenticate(self, connection: Connection, token: str) -> tuple[User, Login]:
        """Whose token this is.

        Raises:
            LoginRequiredError: it is none that counts (any more).
        """
        is_secret = token.startswith(secrets.TOKEN)
        login = (
            store.login_by_secret(connection, secrets.digest(token))
            if is_secret
            else self.keys.login_in(token)
        )
        row = None if login is None else store.login_and_user(connection, login)
        if (
            row is None
            or row.kind != ("token" if is_secret else "login")
            or row.revoked_at is not None
            or row.is_disabled
            or (row.expires_at is not None and row.expires_at <= time.time())
        ):
            raise LoginRequiredError(
                "this token does not count, or no longer", hint="kotta login", code="token_invalid"
            )
        login_used = Login(row.id, tuple(row.scopes), row.last_used_at)
        return User(row.name, row.email, row.role), login_used

    def authenticate_by_refresh_token(
        self, connection: Connection, token: str
    ) -> tuple[User, Login] | None:
        """Whose refresh token this is; None if it does not count, or no longer.

        For clients that cannot keep the next one: it is not used up, and gives none. One that was
        used up already is refused, and no more: whoever shows it gains nothing by it, and perhaps
        it is its owner, who has renewed the login elsewhere.
        """
        row = store.refresh_token(connection, secrets.digest(token))
        if row is None or row.replaced_by is not None or row.expires_at <= time.time():
            return None
        login = store.login_and_user(connection, row.login)
        if login is None or login.revoked_at is not None or login.is_disabled:
            return None
        known = Login(login.id, tuple(login.scopes), login.last_used_at)
        return User(login.name, login.email, login.role), known

    def login_of(self, connection: Connection, token: str) -> str | None:
        """The login that a refresh, access or script token belongs to, whether it counts or not."""
        if token.startswith(secrets.TOKEN):
            return store.login_by_secret(connection, secrets.digest(token))
        if token.startswith(secrets.REFRESH):
            row = store.refresh_token(connection, secrets.digest(token))
            return None if row is None else str(row.login)
        return self.keys.login_in(token)

    def refresh(self, transaction: Transaction, refresh_token: str) -> Tokens | None:
        """The next tokens of a login; None if there are none: whoever asks has to log in again.

        It is no error, because what it does to a login whose token was used twice must be kept.
        """
        now = time.time()
        connection = transaction.connection
        digest = secrets.digest(refresh_token)
        token = store.refresh_token(connection, digest)
        login = None if token is None else store.login_and_user(connection, token.login)
        if token is None or login is None or login.revoked_at is not None or login.is_disabled:
            return None
        if token.expires_at <= now:
            return None
        if token.replaced_by is not None and not self._was_lost(connection, token, now):
            store.revoke(transaction, [login.id], now)
            return None
        if token.replaced_by is not None:
            # the one that was lost on its way must not count beside the new one
            store.replace_refresh_token(transaction, token.replaced_by, "", now)
        tokens, successor = self._tokens(transaction, login.name, login.id, now)
        store.replace_refresh_token(transaction, digest, successor, token.replaced_at or now)
        store.used(transaction, login.id, now)
        store.forget_refresh_tokens_before(transaction, now)
        return tokens

    def listed(self, connection: Connection, user: str) -> list[JobRow]:
        """A user's logins and tokens that still count, newest first."""
        now = time.time()
        return [
            row
            for row in store.logins_of(connection, user)
            if (row.expires_at is None or row.expires_at > now)
            # a login that nobody renewed for so long has no refresh token any more
            and (row.kind == "token" or row.last_used_at + REFRESH_SECONDS > now)
        ]

    def end(self, transaction: Transaction, ids: Sequence[str]) -> None:
        """Ends logins and tokens at once."""
        store.revoke(transaction, ids, time.time())

    def forget_ended(self, transaction: Transaction, most: int) -> int:
        """Forgets logins and tokens that ended a day ago, so many at most; how many they were.

        Refresh tokens that were replaced stay until they expire, and their login with them: until
        then it is noticed when one is used a second time.
        """
        now = time.time()
        moment = now - ENDED_SECONDS
        store.forget_refresh_tokens_before(transaction, now)
        return store.forget_logins_before(transaction, moment, moment - REFRESH_SECONDS, most)

    def _was_lost(self, connection: Connection, token: JobRow, now: float) -> bool:
        successor = store.refresh_token(connection, token.replaced_by)
        is_unused = successor is not None and successor.replaced_by is None
        return is_unused and now - token.replaced_at <= LOST_ANSWER_SECONDS

    def _tokens(
        self, transaction: Transaction, user: str, login: str, now: float
    ) -> tuple[Tokens, str]:
        secret = secrets.make(secrets.REFRESH)
        digest = secrets.digest(secret)
        store.keep_refresh_token(transaction, digest, login, now + REFRESH_SECONDS)
        return Tokens(self.keys.sign(user, login), secret), digest
