"""What a request from the network passes before its body is read: who sends it, and how many.

Routes ask who their caller is themselves (`kotta_service.callers`, or a job's token); the gate only
sees to it that nobody unknown has a body read or parsed, and that nobody takes all of the service's
attention.
"""

from __future__ import annotations

import re
from collections import Counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kotta.errors import KottaError, NotFoundError, QuotaError, RequestError
from kotta_service import callers
from kotta_service.doors import Door, door_of
from kotta_service.problems import answer_to

_GUARDED = "/api/v2/"
_OF_RUNNERS = "/api/v2/runner/"
"""Runners show what they were given for their attempt."""
_OPEN = ("/api/v2/login/", _OF_RUNNERS, "/api/v2/openapi.json")
"""Login bounds who may guess by itself."""
UNKNOWN_BODY_BYTES = 64 << 10
"""Of a runner that an earlier version started: what it shows is checked once its body is read."""
_EARLIER_TOKEN = re.compile(r"[0-9a-f]{64}\Z")
RETRY_SECONDS = 2


class Gate:
    """ASGI middleware, behind `Front`.

    Args:
        most: how many requests of one user, or without a token from one address, may be under way
            at once; those that wait for a change count as well.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._underway: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or door_of(scope) is Door.OWN:
            await self._app(scope, receive, send)
            return
        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                raise RequestError("an address holds no NUL character")
            if scope["path"].startswith(_OF_RUNNERS):
                _refuse_stranger(scope)
            name = await _sender(scope)
            if self._underway[name] >= self._most:
                raise QuotaError(
                    f"you have {self._most} requests under way at once",
                    hint="let some of them end first",
                    code="too_many_requests",
                    retry_after_seconds=RETRY_SECONDS,
                )
        except KottaError as error:
            await answer_to(error, scope["kotta.request_id"])(scope, receive, send)
            return
        self._underway[name] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._underway[name] -= 1
            if not self._underway[name]:
                del self._underway[name]


def _refuse_stranger(scope: Scope) -> None:
    """Refuses who shows no token of an attempt.

    Raises:
        NotFoundError: there is none, or none that counts.
    """
    headers = Headers(scope=scope)
    token = headers.get("authorization", "").removeprefix("Bearer ")
    if scope["app"].state.parts.tokens.counts(token):
        return
    announced = headers.get("content-length", "")
    is_small = announced.isdigit() and int(announced) <= UNKNOWN_BODY_BYTES
    if not (is_small and _EARLIER_TOKEN.match(token)):
        raise NotFoundError("there is no job whose attempt has this token")


async def _sender(scope: Scope) -> str:
    """The user who sends it; where nobody is asked for a token, the address it comes from.

    Raises:
        LoginRequiredError: there is no token, or none that counts (any more).
    """
    path: str = scope["path"]
    if path.startswith(_GUARDED) and not path.startswith(_OPEN):
        return (await callers.known(scope, scope["app"].state.parts)).name
    return f"address {(scope.get('client') or ('',))[0]}"
