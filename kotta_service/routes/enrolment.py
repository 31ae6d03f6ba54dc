"""`/enrol/…`: where a user who was invited chooses a password, or another way to log in, once.

To look at an invitation does not use it up: mail programs look at links by themselves.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from kotta.errors import ConflictError, NotFoundError, RequestError, UnavailableError
from kotta_service import audit
from kotta_service.accounts import identities, secrets, users
from kotta_service.accounts.passwords import MIN_LENGTH
from kotta_service.accounts.providers import ProviderError
from kotta_service.routes.provider_pages import provider_failed, send_to
from kotta_service.routes.visits import Visit, WithVisit

router = APIRouter(include_in_schema=False)
Secret = Annotated[str, Path(max_length=128)]


@router.get("/enrol/{secret}")
def ask_password(secret: Secret, visit: WithVisit) -> Response:
    return _enrol(visit, secret)


@router.post("/enrol/{secret}")
async def take_password(secret: Secret, visit: WithVisit) -> Response:
    form = await visit.form()
    if form is None or not visit.accounts:
        return visit.stale()
    password = form.get("password", "")
    if password != form.get("again", ""):
        return _enrol(visit, secret, 422, error="These were two different passwords.")
    try:
        name = await visit.parts.passwords.choose(secret, password)
    except NotFoundError:
        return _used_up(visit)
    except UnavailableError as error:
        return _enrol(visit, secret, 503, error=error.message)
    except RequestError as error:
        return _enrol(visit, secret, 422, error=f"{error.message[0].upper()}{error.message[1:]}.")
    audit.note("chose a password", name, client=visit.client)
    return visit.leave("/enrolled")


@router.get("/enrol/{secret}/with/{provider}")
async def use_provider(secret: Secret, provider: str, visit: WithVisit) -> Response:
    with visit.parts.database.read() as connection:
        name = users.invited(connection, secret)
    if name is None:
        return _used_up(visit)
    try:
        return await send_to(visit, provider, invitation=secrets.digest(secret))
    except ProviderError as error:
        return provider_failed(visit, provider, error)


@router.get("/login/link")
def ask_link(visit: WithVisit) -> Response:
    session = visit.session
    with visit.parts.database.read() as connection:
        name = users.invited_by_digest(connection, session.invitation)
    provider = visit.parts.providers.get(session.provider)
    if name is None or session.identity is None or provider is None:
        return _used_up(visit)
    return visit.show("link", name=name, email=session.identity.email, label=provider.label)


@router.post("/login/link")
async def take_link(visit: WithVisit) -> Response:
    form = await visit.form()
    session = visit.session
    if form is None or session.identity is None:
        return visit.stale()
    identity = session.identity
    try:
        name = await asyncio.wrap_future(
            visit.parts.database.write(lambda tx: identities.link(tx, identity, session.invitation))
        )
    except NotFoundError:
        return _used_up(visit)
    except ConflictError as error:
        return visit.tell(
            "That cannot be", f"{error.message[0].upper()}{error.message[1:]}.", status=409
        )
    audit.note("linked an identity", name, provider=identity.provider, subject=identity.subject)
    return visit.leave("/enrolled")


@router.get("/enrolled")
async def enrolled(visit: WithVisit) -> Response:
    return visit.tell(
        "You can log in now",
        "Type this in a terminal:",
        command=f"kotta login {visit.parts.url}",
    )


def _enrol(visit: Visit, secret: str, status: int = 200, *, error: str = "") -> Response:
    with visit.parts.database.read() as connection:
        name = users.invited(connection, secret)
    if name is None:
        return _used_up(visit)
    return visit.show(
        "enrol",
        status,
        name=name,
        secret=secret,
        error=error,
        min_length=MIN_LENGTH,
        accounts=visit.accounts,
        providers=visit.providers,
    )


def _used_up(visit: Visit) -> Response:
    return visit.tell(
        "This invitation does not count any more",
        "It was used, a newer one took its place, or it is more than a week old. Ask whoever "
        "administers this service for a new one.",
        status=410,
    )
