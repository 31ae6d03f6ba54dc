"""`/login/…`: the endpoints of OAuth, by which a terminal logs in, stays so, and logs out.

The person's half of it is pages: `kotta_service.routes.pages`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from kotta.errors import QuotaError, RequestError
from kotta_service import audit
from kotta_service.accounts import devices
from kotta_service.accounts.logins import Tokens
from kotta_service.callers import SCOPES
from kotta_service.parts import Parts, WithParts
from kotta_service.routes.forms import form_of
from kotta_service.routes.oauth_answers import (
    DEVICE_GRANT,
    REFRESH_GRANT,
    DeviceAuthorization,
    ServerMetadata,
    TokenAnswer,
    answer,
    described,
    refusal,
)
from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow

router = APIRouter(prefix="/login", tags=["login"])
metadata = APIRouter(tags=["login"])
CLIENT_ID = "kotta"
DEFAULT_SCOPES = ("read", "write")
MAX_LABEL = 255
_CLIENT = "`kotta`, the one client there is"


@metadata.get("/.well-known/oauth-authorization-server", summary="Where the endpoints of OAuth are")
async def oauth_metadata(parts: WithParts) -> ServerMetadata:
    url = parts.url
    return ServerMetadata(
        issuer=url,
        device_authorization_endpoint=f"{url}/api/v2/login/device",
        token_endpoint=f"{url}/api/v2/login/token",
        revocation_endpoint=f"{url}/api/v2/login/revoke",
    )


@router.post(
    "/device",
    summary="Begin a login, for a person to approve in a browser",
    **described(
        DeviceAuthorization,
        {
            "client_id": _CLIENT,
            "scope": "of `read`, `write` and `admin`, separated by blanks (optional)",
            "label": "what the login is called in lists (optional)",
        },
        429,
    ),
)
async def begin_login(request: Request, parts: WithParts) -> JSONResponse:
    try:
        form = await form_of(request)
    except RequestError as error:
        return refusal("invalid_request", error.message)
    if wrong := _wrong_client(form):
        return wrong
    scopes = form.get("scope", "").split() or list(DEFAULT_SCOPES)
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        return refusal("invalid_scope", f"there is no scope {unknown[0][:40]!a}")
    client = request.client.host if request.client else ""

    def action(transaction: Transaction) -> devices.Begun:
        return devices.begin(
            transaction,
            label=_label(form.get("label", "")),
            client=client[:64],
            scopes=[scope for scope in SCOPES if scope in scopes],
        )

    try:
        begun = await asyncio.wrap_future(parts.database.write(action))
    except QuotaError as error:
        return refusal("slow_down", error.message, 429)
    return answer(
        DeviceAuthorization(
            device_code=begun.device_code,
            user_code=begun.user_code,
            verification_uri=f"{parts.url}/login",
            verification_uri_complete=f"{parts.url}/login?code={begun.user_code}",
            expires_in=devices.EXPIRES_SECONDS,
            interval=devices.INTERVAL_SECONDS,
        )
    )


@router.post(
    "/token",
    summary="Tokens for a login that was approved, or the next ones of a login",
    **described(
        TokenAnswer,
        {
            "grant_type": f"`{DEVICE_GRANT}` or `{REFRESH_GRANT}`",
            "client_id": _CLIENT,
            "device_code": "with the first kind of grant (optional)",
            "refresh_token": "with the second (optional)",
        },
    ),
)
async def give_tokens(request: Request, parts: WithParts) -> JSONResponse:
    try:
        form = await form_of(request)
    except RequestError as error:
        return refusal("invalid_request", error.message)
    if wrong := _wrong_client(form):
        return wrong
    match form.get("grant_type"):
        case None:
            return refusal("invalid_request", "grant_type is missing")
        case kind if kind == DEVICE_GRANT:
            return await _device_grant(form, parts)
        case kind if kind == REFRESH_GRANT:
            return await _refresh_grant(form, parts)
        case _:
            return refusal("unsupported_grant_type", f"{DEVICE_GRANT} or {REFRESH_GRANT}")


@router.post(
    "/revoke",
    summary="End a login, whichever of its tokens is known",
    **described(None, {"token": "a refresh token, an access token or a token for scripts"}),
)
async def revoke_login(request: Request, parts: WithParts) -> JSONResponse:
    try:
        form = await form_of(request)
    except RequestError as error:
        return refusal("invalid_request", error.message)
    if "client_id" in form and (wrong := _wrong_client(form)):
        return wrong
    if "token" not in form:
        return refusal("invalid_request", "token is missing")

    def action(transaction: Transaction) -> JobRow | None:
        login = parts.logins.login_of(transaction.connection, form["token"])
        row = None if login is None else store.login(transaction.connection, login)
        if row is None or row.revoked_at is not None:
            return None
        parts.logins.end(transaction, [row.id])
        return row

    row = await asyncio.wrap_future(parts.database.write(action))
    if row is not None:
        audit.note("logged out", row.user, login=row.id)
    # Source: RFC 7009, 2.2: 200 also for a token that is none
    return answer()


async def _device_grant(form: Mapping[str, str], parts: Parts) -> JSONResponse:
    if "device_code" not in form:
        return refusal("invalid_request", "device_code is missing")
    found = await asyncio.wrap_future(
        parts.database.write(lambda tx: devices.poll(tx, form["device_code"], parts.logins))
    )
    if isinstance(found, devices.Refused):
        return refusal(found.error, found.description)
    audit.note("logged in", found.user, scopes=",".join(found.scopes))
    return _tokens(found.tokens, found.scopes)


async def _refresh_grant(form: Mapping[str, str], parts: Parts) -> JSONResponse:
    if "refresh_token" not in form:
        return refusal("invalid_request", "refresh_token is missing")

    def action(transaction: Transaction) -> tuple[Tokens, tuple[str, ...]] | None:
        tokens = parts.logins.refresh(transaction, form["refresh_token"])
        if tokens is None:
            return None
        _, login = parts.logins.authenticate(transaction.connection, tokens.access_token)
        return tokens, tuple(login.scopes)

    found = await asyncio.wrap_future(parts.database.write(action))
    if found is None:
        return refusal("invalid_grant", "this login has ended: log in again")
    return _tokens(*found)


def _tokens(tokens: Tokens, scopes: Sequence[str]) -> JSONResponse:
    return answer(
        TokenAnswer(
            access_token=tokens.access_token,
            expires_in=tokens.expires_in,
            refresh_token=tokens.refresh_token,
            scope=" ".join(scopes),
        )
    )


def _wrong_client(form: Mapping[str, str]) -> JSONResponse | None:
    if "client_id" not in form:
        return refusal("invalid_request", "client_id is missing")
    if form["client_id"] != CLIENT_ID:
        return refusal("invalid_client", f"the client is {CLIENT_ID}")
    return None


def _label(given: str) -> str:
    """What a device calls itself, in letters that can be shown."""
    shown = "".join(letter if letter.isprintable() else " " for letter in given)
    return " ".join(shown.split())[:MAX_LABEL] or "a device without a name"
