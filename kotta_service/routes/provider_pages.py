"""`/login/with/…` and `/login/from/…`: to a provider of identities, and back."""

from __future__ import annotations

import asyncio
import hmac
import logging
import shlex
from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from kotta_service import audit
from kotta_service.accounts import identities
from kotta_service.accounts.providers import Attempt, Identity, ProviderError, plain
from kotta_service.routes.visits import Visit, WithVisit

router = APIRouter(prefix="/login", include_in_schema=False)
logger = logging.getLogger(__name__)


@router.get("/with/{provider}")
async def go_to_provider(provider: str, visit: WithVisit) -> Response:
    if not visit.session.code:
        return visit.go("/login")
    try:
        return await send_to(visit, provider)
    except ProviderError as error:
        return provider_failed(visit, provider, error)


@router.get("/from/{provider}")
async def come_from_provider(provider: str, visit: WithVisit) -> Response:
    answer = dict(visit.request.query_params)
    session = visit.session
    found = visit.parts.providers.get(provider)
    attempt = session.attempt
    # who has not been sent there by this very session may have been sent here by somebody else
    if found is None or attempt is None or session.provider != provider:
        return visit.stale()
    if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
        return visit.stale()
    try:
        identity = await found.identify(answer, attempt)
    except ProviderError as error:
        return provider_failed(visit, provider, error)
    # whatever comes of it, what came back counts once
    session = replace(session, attempt=None)
    if session.invitation:
        return visit.go("/login/link", replace(session, identity=identity))
    user = await asyncio.wrap_future(
        visit.parts.database.write(lambda tx: identities.user_of(tx, identity, found.settings))
    )
    if user is None:
        return _unknown(visit, provider, identity)
    audit.note("logged in elsewhere", user, provider=identity.provider, client=visit.client)
    return visit.go("/login/confirm", session.known_as(user))


async def send_to(visit: Visit, provider: str, *, invitation: str = "") -> Response:
    """To a provider, which sends the browser back to `/login/from/…`.

    Args:
        invitation: digest of the one that who comes back is to be linked by, "" for none.

    Raises:
        ProviderError: it cannot be asked.
    """
    found = visit.parts.providers.get(provider)
    if found is None:
        return visit.stale()
    attempt = Attempt.make(f"{visit.parts.url}/login/from/{provider}")
    url = await found.authorize_url(attempt)
    return visit.go(url, visit.session.sent_to(provider, attempt, invitation))


def provider_failed(visit: Visit, provider: str, error: ProviderError) -> Response:
    """What a person sees when a provider did not say who they are."""
    logger.warning("provider %s: %s", provider, error)
    label = visit.parts.providers[provider].label
    return visit.tell(
        f"{label} did not say who you are",
        f"About {label}: {error}.",
        "Try again; if that does not help, show this to whoever administers this service.",
        status=502,
        again=True,
    )


def _unknown(visit: Visit, provider: str, identity: Identity) -> Response:
    label = visit.parts.providers[provider].label
    email = plain(identity.email) or "no address"
    audit.note("is no user", "somebody", provider=identity.provider, subject=identity.subject)
    return visit.tell(
        "You are not a user here",
        f"{label} knows you as {email}, but no user of this service is known by that.",
        "Ask whoever administers it to add you, or to send you an invitation. They can type:",
        status=403,
        # an address may hold anything, and this is to be pasted into an administrator's shell
        command=f"kotta admin user add NAME {shlex.quote(email) if identity.email else 'ADDRESS'}",
        again=True,
    )
