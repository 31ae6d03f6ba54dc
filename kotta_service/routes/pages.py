"""`/login`: the pages on which a person approves the login of a terminal.

::

    /login ──▶ /login/who ──▶ /login/confirm ──▶ /login/done, /login/denied
    a code     who are you    is this yours
                  └─▶ /login/with/…, a provider: `kotta_service.routes.provider_pages`

Each form holds what its session was given, so that no other site can send it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from kotta.errors import NotFoundError, UnavailableError
from kotta_service import audit
from kotta_service.accounts import devices, throttle
from kotta_service.accounts.devices import Waiting
from kotta_service.accounts.passwords import Throttled
from kotta_service.accounts.throttle import Guesses
from kotta_service.routes.visits import Visit, WithVisit, abilities
from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction

router = APIRouter(prefix="/login", include_in_schema=False)
_WAIT = "Too many wrong guesses. Wait {} seconds, then try again."


@router.get("")
async def ask_code(visit: WithVisit, code: str = "") -> Response:
    # a code that came with the link is shown, and sent only by the person
    return visit.show("code", code=code[:32])


@router.post("")
async def take_code(visit: WithVisit) -> Response:
    form = await visit.form()
    if form is None:
        return visit.stale()
    typed = form.get("code", "")[:32]
    guesses = Guesses.from_address("code", visit.client)

    def action(transaction: Transaction) -> Waiting | int | None:
        if wait := throttle.attempt(transaction, guesses):
            return wait
        found = devices.waiting(transaction.connection, typed)
        if found is not None:
            throttle.take_back(transaction, guesses)
        return found

    found = await asyncio.wrap_future(visit.parts.database.write(action))
    if isinstance(found, int):
        return visit.show("code", 429, code=typed, error=_WAIT.format(found))
    if found is None:
        words = "No login waits with this code. Was it approved already, or is it 15 minutes old?"
        return visit.show("code", 422, code=typed, error=words)
    session = replace(visit.session, code=found.user_code)
    return visit.go("/login/confirm" if session.user else "/login/who", session)


@router.get("/who")
async def ask_who(visit: WithVisit) -> Response:
    if not visit.session.code:
        return visit.go("/login")
    return _who(visit)


@router.post("/account")
async def take_account(visit: WithVisit) -> Response:
    form = await visit.form()
    if form is None or not visit.session.code or not visit.accounts:
        return visit.stale()
    name, password = form.get("name", ""), form.get("password", "")
    try:
        found = await visit.parts.passwords.user_with(name, password, visit.client)
    except UnavailableError as error:
        return _who(visit, 503, name=name, error=error.message)
    if isinstance(found, Throttled):
        audit.note("is made to wait", "somebody", seconds=found.seconds, client=visit.client)
        return _who(visit, 429, name=name, error=_WAIT.format(found.seconds))
    if found is None:
        audit.note("gave a wrong password", "somebody", client=visit.client)
        return _who(visit, 422, name=name, error="There is no user with this name and password.")
    audit.note("gave their password", found, client=visit.client)
    return visit.go("/login/confirm", visit.session.known_as(found))


@router.get("/confirm")
def ask_confirmation(visit: WithVisit) -> Response:
    session = visit.session
    if not session.code:
        return visit.go("/login")
    if not session.user:
        return visit.go("/login/who")
    with visit.parts.database.read() as connection:
        waiting = devices.waiting(connection, session.code)
        user = store.user(connection, session.user)
    if waiting is None or user is None or user.is_disabled:
        return _too_late(visit)
    scopes = devices.allowed(waiting.scopes, is_admin=user.role == "admin")
    return visit.show("confirm", waiting=waiting, user=user.name, abilities=abilities(scopes))


@router.post("/confirm")
async def take_confirmation(visit: WithVisit) -> Response:
    form = await visit.form()
    session = visit.session
    if form is None or not session.user or not session.code:
        return visit.stale()
    if form.get("decision") not in ("approve", "deny"):
        return visit.go("/login/confirm")
    is_approved = form["decision"] == "approve"

    def action(transaction: Transaction) -> None:
        user = store.user(transaction.connection, session.user)
        if user is None or user.is_disabled:
            raise NotFoundError("this user may not log in")
        devices.decide(transaction, session.code, session.user, is_approved=is_approved)

    try:
        await asyncio.wrap_future(visit.parts.database.write(action))
    except NotFoundError:
        return _too_late(visit)
    words = "approved a login" if is_approved else "denied a login"
    audit.note(words, session.user, client=visit.client)
    return visit.leave("/login/done" if is_approved else "/login/denied")


@router.get("/done")
async def done(visit: WithVisit) -> Response:
    return visit.tell(
        "Your terminal is logged in",
        "It may take it a few seconds to notice. You can close this page.",
    )


@router.get("/denied")
async def denied(visit: WithVisit) -> Response:
    return visit.tell(
        "The login was denied",
        "Whoever began it gets nothing. If you did not begin it and somebody sent you its code, "
        "tell whoever administers this service.",
    )


def _who(visit: Visit, status: int = 200, *, name: str = "", error: str = "") -> Response:
    return visit.show(
        "who",
        status,
        name=name[:320],
        error=error,
        accounts=visit.accounts,
        providers=visit.providers,
    )


def _too_late(visit: Visit) -> Response:
    return visit.forgetting(
        visit.tell(
            "This login waits no longer",
            "It was decided already, or is more than 15 minutes old. Begin again in your terminal:",
            status=410,
            command=f"kotta login {visit.parts.url}",
        )
    )
