"""Who asks, and what they may do: every route but those of login and health begins here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import Scope

from kotta.errors import ForbiddenError, LoginRequiredError
from kotta_service.accounts.logins import Login, User
from kotta_service.doors import LOCAL, Door, door_of
from kotta_service.parts import Parts, WithParts
from kotta_service.store import accounts

SCOPES = ("read", "write", "admin")
"""What a token may be good for: to see; to change and submit as well; to administer."""


@dataclass(frozen=True)
class Caller:
    """Somebody whose word for who they are has been checked.

    Attributes:
        name: of the user; what they submit belongs to it.
        email: address of the user, "" if none is known.
        is_admin: may see and end everybody's jobs, if the token allows it too.
        scopes: what the token is good for; see `SCOPES`.
        login: id of the login or token by which they came, None for the service's own socket.
    """

    name: str
    email: str
    is_admin: bool
    scopes: frozenset[str]
    login: str | None = None

    @property
    def sees_all(self) -> bool:
        """Whether everybody's jobs can be seen and ended, not only one's own."""
        return self.is_admin and "admin" in self.scopes


OPERATOR = Caller(LOCAL, "", is_admin=True, scopes=frozenset(SCOPES))


async def caller(request: Request, parts: WithParts) -> Caller:
    """Who sends this request.

    Raises:
        LoginRequiredError: there is no token, or none that counts (any more).
        ForbiddenError: the token is not good for this.
    """
    found = await known(request.scope, parts)
    need_scope(found, "read" if request.method in ("GET", "HEAD") else "write")
    # access logs tell who asked
    request.scope["kotta.caller"] = found.name
    return found


async def known(scope: Scope, parts: Parts) -> Caller:
    """Who sends a request, whatever they may do.

    Raises:
        LoginRequiredError: there is no token, or none that counts (any more).
    """
    if door_of(scope) is Door.OWN:
        return OPERATOR
    if isinstance(found := scope.get("kotta.known"), Caller):
        return found
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, token = given.decode("latin-1").partition(" ")
    if not token or scheme.lower() != "bearer":
        raise LoginRequiredError(
            "this service wants to know who asks",
            hint=f"kotta login {parts.settings.serve.url}",
        )
    token = token.strip()
    found = await parts.remembered.find(token, lambda: known_by_token(parts, token))
    scope["kotta.known"] = found
    return found


def known_by_token(parts: Parts, token: str) -> Caller:
    """Whose token this is.

    Raises:
        LoginRequiredError: it is none that counts (any more).
    """
    with parts.database.read() as connection:
        user, login = parts.logins.authenticate(connection, token)
    return _known_as(parts, user, login)


def known_by_refresh_token(parts: Parts, token: str) -> Caller | None:
    """Whose refresh token this is, None if it does not count; it is not used up."""
    with parts.database.read() as connection:
        found = parts.logins.authenticate_by_refresh_token(connection, token)
    return None if found is None else _known_as(parts, *found)


def need_scope(found: Caller, wanted: str) -> None:
    """Refuses what a token is not good for.

    Raises:
        ForbiddenError: it lacks the scope.
    """
    if wanted not in found.scopes:
        raise ForbiddenError(
            f"this token is not good for that: it lacks the scope `{wanted}`",
            hint="kotta token create --scope write",
            code="scope_missing",
        )


def _known_as(parts: Parts, user: User, login: Login) -> Caller:
    if login.is_newly_used:
        # nobody waits for it: when a token was last used is known to some minutes
        at = time.time()
        parts.database.write(lambda tx: accounts.used(tx, login.id, at))
    return Caller(
        user.name,
        user.email,
        is_admin=user.role == "admin",
        scopes=frozenset(login.scopes),
        login=login.id,
    )


async def admin(found: Annotated[Caller, Depends(caller)]) -> Caller:
    """Who sends this request, if they are an administrator.

    Raises:
        ForbiddenError: they are not, or the token is not good for it.
    """
    if not found.sees_all:
        raise ForbiddenError("that is for administrators", code="not_admin")
    return found


async def _owner(found: Annotated[Caller, Depends(caller)]) -> str:
    return found.name


WithCaller = Annotated[Caller, Depends(caller)]
WithAdmin = Annotated[Caller, Depends(admin)]
Owner = Annotated[str, Depends(_owner)]
"""Whose jobs are asked about: the caller's own."""
