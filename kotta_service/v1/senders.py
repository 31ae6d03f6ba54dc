"""Whose request a form is: the first clients put their tokens into it."""

from __future__ import annotations

import asyncio

from fastapi import Request

from kotta.errors import LoginRequiredError
from kotta_service.callers import (
    OPERATOR,
    Caller,
    known_by_refresh_token,
    known_by_token,
    need_scope,
)
from kotta_service.doors import Door, door_of
from kotta_service.parts import Parts
from kotta_service.v1.forms import Form


async def sender_of(request: Request, form: Form, parts: Parts, scope: str) -> Caller:
    """Who sends a form, by a token that is good for `scope`.

    A refresh token is asked first. These clients cannot keep the one that would take its place, so
    it is not used up. If it does not count any more, the access token may.

    Raises:
        LoginRequiredError: there is no token that counts.
        ForbiddenError: it lacks the scope.
    """
    if door_of(request.scope) is Door.OWN:
        return OPERATOR
    found = await asyncio.to_thread(
        _known, parts, form.one("access_token").strip(), form.one("refresh_token").strip()
    )
    need_scope(found, scope)
    request.scope["kotta.caller"] = found.name
    return found


def _known(parts: Parts, access_token: str, refresh_token: str) -> Caller:
    found = known_by_refresh_token(parts, refresh_token) if refresh_token else None
    if found is not None:
        return found
    if access_token:
        return known_by_token(parts, access_token)
    words = "`refresh_token` does not count any more" if refresh_token else "there is none"
    raise LoginRequiredError(f"an `access_token` is needed: {words}")
