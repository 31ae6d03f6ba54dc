"""Users of a shared service, as its administrators and they themselves see them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from kotta.models.many import Many


class _Reply(BaseModel):
    # an error about an answer with a secret in it must not repeat the answer
    model_config = ConfigDict(
        extra="ignore", frozen=True, defer_build=True, hide_input_in_errors=True
    )


class User(_Reply):
    """Somebody who may log in.

    Attributes:
        role: `user` or `admin`.
        disabled: may not log in, and is logged out; their jobs stay.
        limits: what differs from the limits that everybody has, by the limit's name.
    """

    name: str
    email: str
    role: str
    disabled: bool
    created_at: datetime
    limits: dict[str, int] = Field(default_factory=dict)


class UserPage(_Reply):
    users: Many[User]


class Invitation(_Reply):
    """A link by which a user chooses a password, once.

    Attributes:
        url: whoever has it can become this user: hand it over as one hands over a key.
    """

    user: User
    url: str
    expires_at: datetime


class Limit(_Reply):
    """How much of something a user may have.

    Attributes:
        name: `queued` (jobs that wait), `running` (jobs), `cores` (of jobs that run), or
            `storage_mib` (uploads and kept outputs).
        used: how much they have.
    """

    name: str
    used: int
    limit: int


class WhoAmI(_Reply):
    """Who the service takes the caller for.

    Attributes:
        name: of the user; `local` over the service's own socket.
        role: `user` or `admin`.
        scopes: what the token is good for: `read`, `write`, `admin`.
        server: address by which the service calls itself.
        limits: what is limited, with how much of it they have.
    """

    name: str
    email: str
    role: str
    scopes: Many[str]
    server: str
    limits: Many[Limit] = []


class Token(_Reply):
    """A login, or a token for scripts, of the caller's.

    Attributes:
        kind: `login`, which renews itself, or `token`.
        label: what its maker called it, such as the name of a computer.
        scopes: what it is good for: `read`, `write`, `admin`.
        last_used_at: to some minutes; None for never.
        expires_at: None for never, or for a login.
        is_current: whether this very request came by it.
    """

    id: str
    kind: str
    label: str
    scopes: Many[str]
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    is_current: bool = False


class TokenPage(_Reply):
    tokens: Many[Token]


class MadeToken(Token):
    """A new token.

    Attributes:
        token: the secret itself, which is told only here.
    """

    token: str = Field(repr=False)
