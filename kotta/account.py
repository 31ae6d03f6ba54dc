"""What a user of a shared service does about logins, and what an administrator does about users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from kotta.connection import Connection
from kotta.models.accounts import Invitation, MadeToken, Token, TokenPage, User, UserPage


class Tokens:
    """The caller's own logins and tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Token]:
        """Those that count, newest first."""
        return self._connection.send("GET", "/tokens", repeatable=True).parsed(TokenPage).tokens

    def create(
        self, label: str, scopes: Sequence[str], *, expires_in_seconds: int | None = None
    ) -> MadeToken:
        """Makes a token for scripts; its secret is told here and never again.

        Raises:
            ForbiddenError: it would be good for more than the caller's own.
        """
        body = {
            "label": label,
            "scopes": list(scopes),
            "expires_in_seconds": expires_in_seconds,
        }
        return self._connection.send_json("POST", "/tokens", body).parsed(MadeToken)

    def revoke(self, identifier: str) -> None:
        """Ends a login or token.

        Raises:
            NotFoundError: the caller has none of that id.
        """
        path = f"/tokens/{quote(identifier, safe='')}"
        self._connection.send("DELETE", path, repeatable=True)


class Users:
    """Everybody who may log in; for administrators."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[User]:
        """All of them, by name."""
        return self._connection.send("GET", "/users", repeatable=True).parsed(UserPage).users

    def add(self, name: str, email: str, role: str = "user") -> Invitation:
        """Makes a user; the invitation's link lets them choose a password.

        Raises:
            ConflictError: the name or the address is somebody's already.
        """
        body = {"name": name, "email": email, "role": role}
        return self._connection.send_json("POST", "/users", body).parsed(Invitation)

    def change(self, name: str, changes: Mapping[str, Any]) -> User:
        """Changes `role`, `disabled` or `limits`; what is left out stays.

        Raises:
            NotFoundError: there is no such user.
        """
        path = f"/users/{quote(name, safe='')}"
        return self._connection.send_json("PATCH", path, changes, repeatable=True).parsed(User)

    def invite(self, name: str) -> Invitation:
        """A new link to choose a password by; the one before counts no longer."""
        path = f"/users/{quote(name, safe='')}/invitation"
        return self._connection.send_json("POST", path, {}).parsed(Invitation)
