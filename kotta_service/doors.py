"""Which way a request came in: over this user's own socket, or over the network.

It is marked on every request by the listener that took it, because it decides whether a token is
asked for. What carries no mark counts as the network.
"""

from __future__ import annotations

from enum import Enum

from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = "kotta.door"


class Door(str, Enum):
    """Where a listener stands."""

    OWN = "own"
    """A Unix socket of mode 0600: whoever is there is the user who runs the service."""
    NETWORK = "network"
    """TCP: anybody."""


class Marked:
    """ASGI middleware, one in front of each listener."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_KEY] = self._door
        await self._app(scope, receive, send)


def door_of(scope: Scope) -> Door:
    door = scope.get(_KEY)
    return door if isinstance(door, Door) else Door.NETWORK
