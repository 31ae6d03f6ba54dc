"""`/tokens`: the caller's logins, and tokens for scripts."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import Connection

from kotta.errors import ConflictError, ForbiddenError, NotFoundError, QuotaError
from kotta.models.accounts import MadeToken, Token, TokenPage
from kotta.models.requests import NewToken
from kotta_service import audit
from kotta_service.accounts.devices import allowed
from kotta_service.callers import Caller, WithCaller
from kotta_service.parts import WithParts
from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow

router = APIRouter(prefix="/tokens", tags=["login"])
MAX_TOKENS = 1000
"""Logins and tokens of one user."""
Id = Annotated[str, Path(max_length=64)]


@router.get("", summary="The caller's logins and tokens")
def list_tokens(found: WithCaller, parts: WithParts) -> TokenPage:
    with parts.database.read() as connection:
        rows = parts.logins.listed(connection, found.name)
    return TokenPage(tokens=[_view(row, found) for row in rows])


@router.post("", status_code=201, summary="Make a token for scripts")
async def make_token(wanted: NewToken, found: WithCaller, parts: WithParts) -> MadeToken:
    if found.login is None:
        raise ConflictError("over the service's own socket nobody needs a token")
    scopes = sorted(set(wanted.scopes))
    lent = allowed(sorted(found.scopes), is_admin=found.is_admin)
    if beyond := [scope for scope in scopes if scope not in lent]:
        raise ForbiddenError(
            f"a token can be good for no more than the one it is made with: not for {beyond[0]}",
            hint="kotta login",
            code="scope_missing",
        )
    now = time.time()
    expires_at = None if wanted.expires_in_seconds is None else now + wanted.expires_in_seconds

    def action(transaction: Transaction) -> tuple[JobRow, str]:
        connection = transaction.connection
        _check_end(connection, found.login or "", expires_at)
        if len(parts.logins.listed(connection, found.name)) >= MAX_TOKENS:
            raise QuotaError(f"you have {MAX_TOKENS} tokens already", hint="kotta token list")
        identifier, secret = parts.logins.make_token(
            transaction, found.name, label=wanted.label, scopes=scopes, expires_at=expires_at
        )
        row = store.login(connection, identifier)
        assert row is not None
        return row, secret

    row, secret = await asyncio.wrap_future(parts.database.write(action))
    audit.note("made a token", found, token=row.id, scopes=",".join(scopes))
    return MadeToken(**_view(row, found).model_dump(), token=secret)


@router.delete("/{token_id}", status_code=204, summary="End a login or a token")
async def end_token(token_id: Id, found: WithCaller, parts: WithParts) -> None:
    def action(transaction: Transaction) -> None:
        row = store.login(transaction.connection, token_id)
        if row is None or row.user != found.name or row.revoked_at is not None:
            raise NotFoundError(f"there is no token {token_id}", hint="kotta token list")
        parts.logins.end(transaction, [token_id])

    await asyncio.wrap_future(parts.database.write(action))
    audit.note("ended a token", found, token=token_id)


def _check_end(connection: Connection, login: str, expires_at: float | None) -> None:
    """A token that makes others must not live on in them."""
    own = store.login(connection, login)
    if own is None or own.expires_at is None:
        return
    if expires_at is None or expires_at > own.expires_at:
        raise ForbiddenError(
            "a token cannot make one that outlives it",
            hint="kotta login, or an earlier --expires",
            code="token_outlives",
        )


def _view(row: JobRow, found: Caller) -> Token:
    return Token(
        id=row.id,
        kind=row.kind,
        label=row.label,
        scopes=list(row.scopes),
        created_at=_moment(row.created_at),
        last_used_at=None if row.last_used_at is None else _moment(row.last_used_at),
        expires_at=None if row.expires_at is None else _moment(row.expires_at),
        is_current=row.id == found.login,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
