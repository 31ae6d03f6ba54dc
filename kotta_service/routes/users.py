"""`/users`: who may log in, for administrators; and `/me`, for everybody."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Annotated

from fastapi import APIRouter, Path

from kotta.errors import ConflictError
from kotta.models.accounts import Invitation, User, UserPage, WhoAmI
from kotta.models.requests import NewUser, UserChange
from kotta_service import audit, limits
from kotta_service.accounts import users
from kotta_service.callers import WithAdmin, WithCaller
from kotta_service.parts import Parts, WithParts
from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow

router = APIRouter(tags=["users"])
Name = Annotated[str, Path(min_length=1, max_length=64)]


@router.get("/me", summary="Who the service takes the caller for")
def whoami(found: WithCaller, parts: WithParts) -> WhoAmI:
    with parts.database.read() as connection:
        told = limits.told(connection, parts.settings, found.name)
    return WhoAmI(
        name=found.name,
        email=found.email,
        role="admin" if found.is_admin else "user",
        scopes=sorted(found.scopes),
        server=parts.url,
        limits=told,
    )


@router.get("/users", summary="Everybody who may log in")
def list_users(_: WithAdmin, parts: WithParts) -> UserPage:
    with parts.database.read() as connection:
        return UserPage(users=[_view(row) for row in store.all_users(connection)])


@router.post("/users", status_code=201, summary="Add a user, and a link to choose a password by")
async def add_user(wanted: NewUser, who: WithAdmin, parts: WithParts) -> Invitation:
    _refuse_if_alone(parts)

    def action(transaction: Transaction) -> tuple[JobRow, str]:
        users.add(transaction, wanted.name, wanted.email, role=wanted.role)
        return _invited(transaction, wanted.name)

    found = await asyncio.wrap_future(parts.database.write(action))
    audit.note("added a user", who, user=wanted.name, role=wanted.role)
    return _invitation(parts, *found)


@router.patch("/users/{name}", summary="Change a user's role or limits, or disable them")
async def change_user(name: Name, wanted: UserChange, who: WithAdmin, parts: WithParts) -> User:
    given = wanted.model_dump(exclude_unset=True)
    values = {{"disabled": "is_disabled"}.get(key, key): value for key, value in given.items()}

    def action(transaction: Transaction) -> JobRow:
        users.change(transaction, name, **values)
        transaction.needs_assignment = True  # more may start now
        return users.known(transaction.connection, name)

    row = await asyncio.wrap_future(parts.database.write(action))
    audit.note("changed a user", who, user=name, **given)
    return _view(row)


@router.post("/users/{name}/invitation", summary="A new link to choose a password by")
async def invite(name: Name, who: WithAdmin, parts: WithParts) -> Invitation:
    _refuse_if_alone(parts)
    found = await asyncio.wrap_future(parts.database.write(lambda tx: _invited(tx, name)))
    audit.note("invited a user", who, user=name)
    return _invitation(parts, *found)


def _refuse_if_alone(parts: Parts) -> None:
    if not parts.is_shared:
        raise ConflictError(
            "this service serves you alone, so nobody else can log in to it",
            hint="kotta serve",
            code="not_shared",
        )


def _invited(transaction: Transaction, name: str) -> tuple[JobRow, str]:
    secret = users.invite(transaction, name)
    return users.known(transaction.connection, name), secret


def _invitation(parts: Parts, row: JobRow, secret: str) -> Invitation:
    ends = datetime.now(timezone.utc).timestamp() + users.INVITATION_SECONDS
    return Invitation(
        user=_view(row),
        url=f"{parts.settings.serve.url}/enrol/{secret}",
        expires_at=datetime.fromtimestamp(ends, timezone.utc),
    )


def _view(row: JobRow) -> User:
    return User(
        name=row.name,
        email=row.email,
        role=row.role,
        disabled=row.is_disabled,
        created_at=datetime.fromtimestamp(row.created_at, timezone.utc),
        limits=dict(row.limits or {}),
    )
