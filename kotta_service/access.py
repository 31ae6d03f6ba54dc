"""Whose jobs a caller may see, list and end; what is not among them does not exist for them."""

from __future__ import annotations

from sqlalchemy import Connection

from kotta_service import audit, jobs
from kotta_service.callers import Caller
from kotta_service.parts import Parts
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import (
    EVERYBODY,
    Whose,
    anybodys,
    own,
    readable_by,
    shared_with,
)


def readable(who: Caller) -> Whose:
    """What they may look at: their own, what is shared with them; for administrators everything."""
    return anybodys() if who.sees_all else readable_by(who.name)


def endable(who: Caller) -> Whose:
    """What they may cancel: their own; for administrators everything."""
    return anybodys() if who.sees_all else own(who.name)


def listed(who: Caller, owner: str | None, *, shared: bool = False) -> Whose:
    """What a list is to show of what they may look at.

    Args:
        owner: a user's name, or `*` for all of them; None: the caller's own.
        shared: others' jobs alone that are shared with the caller.
    """
    if shared:
        found = shared_with(who.name)
        return found if owner in (None, EVERYBODY) else found & own(owner)
    if owner is None or owner == who.name:
        return own(who.name)
    return readable(who) if owner == EVERYBODY else readable(who) & own(owner)


def look(parts: Parts, connection: Connection, job_id: str, who: Caller, what: str) -> JobRow:
    """A job that they may look at, with every column.

    Args:
        what: of it they look at, such as its `logs`.

    Raises:
        NotFoundError: there is none of that id, or it is not for them.
    """
    row = jobs.known_job(connection, job_id, readable(who))
    note_look(parts, who, row, what)
    return row


def note_look(parts: Parts, who: Caller, row: JobRow, what: str) -> None:
    """Writes down that an administrator looks at a job of somebody else's."""
    if who.sees_all and row.owner != who.name:
        parts.looks.note("looked at a job", who, job=row.id, owner=row.owner, at=what)


def note_list(parts: Parts, who: Caller, owner: str | None) -> None:
    """Writes down that an administrator lists jobs of others."""
    if parts.is_shared and who.sees_all and owner not in (None, who.name):
        parts.looks.note("listed jobs", who, owner="everybody" if owner == EVERYBODY else owner)


def note_end(who: Caller, row: JobRow) -> None:
    """Writes down that an administrator asked for the end of a job of somebody else's."""
    if row.owner != who.name:
        audit.note("cancelled a job", who, job=row.id, owner=row.owner)
