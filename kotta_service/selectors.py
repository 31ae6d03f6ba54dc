"""What a person means by a few characters: one job, or a set of them.

::

    3f1c2d…      the start of an id; of an array's, all its jobs
    fit          a name; an array's, all its jobs
    fit-*        every job whose name fits; only * and ? stand for others
    @last @2     the newest job, the one before it
    @failed      every job in that state; also @active (given to a runner), @open (not ended)
    tag=x        every job with that tag

The words mean jobs of one's own; an id, or eight characters and more of it, also one that is
shared with one (and for an administrator, anybody's).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from kotta.errors import RequestError
from kotta.models import JobState
from kotta_service import access
from kotta_service.callers import Caller
from kotta_service.store import finding
from kotta_service.store import jobs as store
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import Whose, own

MAX_CANDIDATES = 50
CERTAIN_ID_LENGTH = 8
"""Lists show so much of an id at least."""
_ID_PART = re.compile(r"^[0-9a-f-]{1,36}$")
_PLACE = re.compile(r"^@([1-9][0-9]{0,8})$")
_ENDED = ("completed", "failed", "cancelled")
_STATES = {
    **{state.value: (state.value,) for state in JobState if state is not JobState.UNSUBMITTED},
    "active": store.ACTIVE,
    "running": store.ACTIVE,
    "open": ("pending", *store.ACTIVE),
    "ended": _ENDED,
}


@dataclass(frozen=True)
class Selection:
    """Jobs, newest first.

    Attributes:
        is_set: a set is meant, however many there are; else more than one are candidates.
    """

    rows: list[JobRow]
    is_set: bool


def select(
    connection: Connection, who: Caller, selector: str, *, before: int | None, limit: int
) -> Selection:
    """What `selector` means to somebody.

    From eight characters on, the start of an id wins over a name: nobody can hide a job by naming
    another one after its id. Shorter ones are names first, since a job may well be called `bad`.

    Args:
        before: of a set, only jobs of a lower number.
        limit: of a set, at most so many.

    Raises:
        RequestError: it begins with @ and is nothing that is known.
    """
    mine = own(who.name)

    def page(whose: Whose = mine, **wanted: object) -> Selection:
        found = finding.page(connection, whose, before=before, limit=limit, **wanted)  # type: ignore[arg-type]
        return Selection(found, is_set=True)

    if selector.startswith("@") and (special := _special(connection, mine, selector, page)):
        return special
    if selector.startswith("tag="):
        return page(tag=selector.removeprefix("tag="))
    if any(sign in selector for sign in "*?"):
        return page(name=selector)
    looks = [(_by_name, mine), (_by_id, mine)]
    if len(selector) >= CERTAIN_ID_LENGTH:
        looks = [(_by_id, mine), (_by_name, mine), (_by_id, access.readable(who))]
    for look, whose in looks:
        jobs, arrays = look(connection, whose, selector)
        if len(arrays) == 1 and not jobs:
            return page(whose, array=arrays[0].array)
        if jobs or arrays:
            return Selection([*jobs, *arrays], is_set=False)
    if selector.startswith("@"):
        raise RequestError(
            f"`{selector}` means nothing",
            hint="@last, @2, " + ", ".join(f"@{name}" for name in sorted(_STATES)),
        )
    return Selection([], is_set=False)


def _by_id(
    connection: Connection, whose: Whose, selector: str
) -> tuple[list[JobRow], list[JobRow]]:
    """Jobs whose id begins so, and a job of each array whose id does.

    An array of one is the same as its job, which is named once.
    """
    prefix = selector.lower()
    if not _ID_PART.match(prefix):
        return [], []
    jobs = finding.beginning_with(connection, whose, prefix, MAX_CANDIDATES)
    named = {row.id for row in jobs}
    return jobs, [
        row
        for row in finding.arrays_beginning_with(connection, whose, prefix, MAX_CANDIDATES)
        if row.id not in named
        or len(finding.page(connection, whose, before=None, limit=2, array=row.array)) > 1
    ]


def _by_name(
    connection: Connection, whose: Whose, selector: str
) -> tuple[list[JobRow], list[JobRow]]:
    """Jobs called so, and the first job that there is of each array called so."""
    return (
        finding.called(connection, whose, selector, MAX_CANDIDATES),
        finding.arrays_called(connection, whose, selector, MAX_CANDIDATES),
    )


def _special(
    connection: Connection, whose: Whose, selector: str, page: Callable[..., Selection]
) -> Selection | None:
    word = selector[1:]
    if place := _PLACE.match(selector):
        return Selection(finding.nth_newest(connection, whose, int(place[1])), is_set=False)
    if word == "last":
        return Selection(finding.nth_newest(connection, whose, 1), is_set=False)
    if word in _STATES:
        return page(statuses=_STATES[word])
    return None
