"""Which way a request came in: over this user's own socket, or over the network.

It is marked on every request by the listener that took it, because it decides whether a token is
asked for. What carries no mark counts as the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = "kotta.door"
_MAPPED = "::ffff:"


LOCAL = "local"
"""Who comes by the service's own socket, and owns the jobs of a local service."""


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


def behind_proxies(app: ASGIApp, trusted: Sequence[str]) -> ASGIApp:
    """The door to the network, which takes the word of trusted proxies for who asks.

    A socket that listens for IPv6 and IPv4 calls those of IPv4 `::ffff:192.0.2.1`; who they are is
    compared and counted by their IPv4 addresses.
    """
    marked: ASGIApp = Marked(app, Door.NETWORK)
    if trusted:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        # uvicorn and Starlette have each their own words for the same types
        inner: Any = marked
        believing: Any = ProxyHeadersMiddleware(inner, list(trusted))
        marked = believing

    door = marked

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and client[0].startswith(_MAPPED):
            scope["client"] = (client[0].removeprefix(_MAPPED), client[1])
        await door(scope, receive, send)

    return plain


def door_of(scope: Scope) -> Door:
    door = scope.get(_KEY)
    return door if isinstance(door, Door) else Door.NETWORK
