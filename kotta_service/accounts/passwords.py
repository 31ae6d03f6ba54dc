"""Passwords: chosen once by an invitation, checked at login, and hard to guess.

argon2id; only its digest is kept. What is asked of a password follows NIST SP 800-63B, 3.1.1: long,
none that everybody has, and no rules about kinds of characters.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from kotta.errors import NotFoundError, RequestError, UnavailableError
from kotta_service.accounts import throttle, users
from kotta_service.accounts.throttle import Guesses
from kotta_service.store import accounts as store
from kotta_service.store.database import Database, Transaction
from kotta_service.store.jobs import JobRow

if TYPE_CHECKING:
    import argon2

T = TypeVar("T")
MIN_LENGTH = 12
MAX_LENGTH = 1024
MIN_DISTINCT = 5
AT_ONCE = 2
"""Each check takes 64 MiB for a tenth of a second."""
MAX_QUEUED = 64
_COMMON = ("password", "passwort", "kotta", "qwertyuiop", "letmein", "iloveyou", "123456789012")


@dataclass(frozen=True)
class Throttled:
    """There were too many wrong ones.

    Attributes:
        seconds: when the next may be tried.
    """

    seconds: int


class Passwords:
    """Checks and keeps the passwords of users."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._room = asyncio.Semaphore(AT_ONCE)
        self._queued = 0

    async def user_with(self, typed: str, password: str, client: str) -> str | Throttled | None:
        """The user whose name or address and password these are, None if there is none.

        Args:
            client: the address it was sent from.

        Raises:
            UnavailableError: too many are being checked.
        """
        typed = typed.strip().lower()
        row = await asyncio.to_thread(self._row, typed)
        # by the same key whether it was the name or the address that was typed
        about = Guesses.of_name("password", typed if row is None else row.name)
        origin = Guesses.from_address("password", client)
        wait = await self._write(lambda tx: throttle.attempt(tx, about, origin))
        if wait:
            return Throttled(wait)
        kept = None if row is None or row.is_disabled else row.password
        # as long for a user that there is not
        is_right = await self._in_turn(self._verify, kept, password)
        if row is None or kept is None or not is_right:
            return None
        renewed = None
        if self._hasher.check_needs_rehash(kept):
            renewed = await self._in_turn(self._digest, password)

        def action(transaction: Transaction) -> None:
            store.forget_failures(transaction, about.key)
            throttle.take_back(transaction, origin)
            if renewed is not None:
                store.change_user(transaction, row.name, password=renewed)

        await self._write(action)
        return str(row.name)

    async def choose(self, invitation: str, password: str) -> str:
        """Gives the user who was invited a password; the invitation is used up.

        Returns:
            The user's name.

        Raises:
            NotFoundError: the invitation does not count (any more).
            RequestError: the password will not do; the invitation still counts.
        """
        with self._database.read() as connection:
            name = users.invited(connection, invitation)
            row = None if name is None else store.user(connection, name)
        if row is None:
            raise NotFoundError("this invitation does not count any more")
        check(password, row.name, row.email)
        digest = await self._in_turn(self._digest, password)

        def action(transaction: Transaction) -> None:
            users.use_up(transaction, invitation)
            store.change_user(transaction, row.name, password=digest)
            store.forget_failures(transaction, Guesses.of_name("password", row.name).key)

        await self._write(action)
        return str(row.name)

    @cached_property
    def _hasher(self) -> argon2.PasswordHasher:
        import argon2

        # Source: RFC 9106, 4: the second recommended option, which is argon2-cffi's default
        return argon2.PasswordHasher()

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("of nobody")

    def _row(self, typed: str) -> JobRow | None:
        with self._database.read() as connection:
            by = store.user_by_email if "@" in typed else store.user
            return by(connection, typed)

    def _verify(self, kept: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(kept or self._nobodys, _normal(password)[:MAX_LENGTH])
        except (VerificationError, InvalidHashError):
            return False

    def _digest(self, password: str) -> str:
        return self._hasher.hash(_normal(password))

    async def _in_turn(self, work: Callable[..., T], *arguments: str | None) -> T:
        """Does the slow and large work of argon2 in a thread, a few at a time."""
        if self._queued >= MAX_QUEUED:
            raise UnavailableError("too many passwords are being checked: try again in a minute")
        self._queued += 1
        try:
            async with self._room:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._queued -= 1

    async def _write(self, action: Callable[[Transaction], T]) -> T:
        return await asyncio.wrap_future(self._database.write(action))


def check(password: str, name: str, email: str) -> None:
    """Refuses what others would guess.

    Raises:
        RequestError: it does; the message says why.
    """
    password = _normal(password)
    if len(password) < MIN_LENGTH:
        raise RequestError(f"a password has {MIN_LENGTH} characters at least")
    if len(password) > MAX_LENGTH:
        raise RequestError(f"a password has {MAX_LENGTH} characters at most")
    if len(set(password)) < MIN_DISTINCT:
        raise RequestError("this is too few different characters")
    bare = "".join(letter for letter in password.lower() if letter.isalpha())
    for known in (name, email, email.partition("@")[0], *_COMMON):
        # the known word, perhaps repeated, with digits or signs around it
        word = "".join(letter for letter in known.lower() if letter.isalpha())
        is_repeated = bool(word and bare) and not bare.replace(word, "")
        if known.lower() == password.lower() or is_repeated:
            raise RequestError("this is what others would guess first")


def _normal(password: str) -> str:
    """Source: NIST SP 800-63B, 3.1.1.2: the same text, however a keyboard makes it."""
    return unicodedata.normalize("NFKC", password)
