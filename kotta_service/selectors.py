"""What a person means by a few characters: one job, or a set of them.

::

    3f1c2d…      the start of an id; of an array's, all its jobs
    fit          a name; fit-* every job whose name fits
    @last @2     the newest job, the one before it
    @failed      every job in that state; also @active (given to a runner), @open (not ended)
    tag=x        every job with that tag
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from kotta.errors import RequestError
from kotta.models import JobState
from kotta_service.store import jobs as store
from kotta_service.store.jobs import JobRow

MAX_CANDIDATES = 50
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
    connection: Connection, owner: str, selector: str, *, before: int | None, limit: int
) -> Selection:
    """What `selector` means to its owner.

    Ids win over names: nobody can hide a job by naming another one after its id.

    Args:
        before: of a set, only jobs of a lower number.
        limit: of a set, at most so many.

    Raises:
        RequestError: it begins with @ and is nothing that is known.
    """

    def page(**wanted: object) -> Selection:
        found = store.page(connection, owner, before=before, limit=limit, **wanted)  # type: ignore[arg-type]
        return Selection(found, is_set=True)

    if selector.startswith("@"):
        return _special(connection, owner, selector, page)
    if selector.startswith("tag="):
        return page(tag=selector.removeprefix("tag="))
    lowered = selector.lower()
    if _ID_PART.match(lowered):
        if found := store.beginning_with(connection, owner, lowered, MAX_CANDIDATES):
            return Selection(found, is_set=False)
        arrays = store.arrays_beginning_with(connection, owner, lowered)
        if len(arrays) == 1:
            return page(array=arrays[0])
    if found := store.called(connection, owner, selector, MAX_CANDIDATES):
        return Selection(found, is_set=False)
    if any(sign in selector for sign in "*?"):
        return page(name=selector)
    # what an array was called: its jobs are called after it
    first = store.called(connection, owner, f"{selector}[0]", 2)
    if len(first) == 1 and first[0].array is not None:
        return page(array=first[0].array)
    return Selection(first, is_set=False)


def _special(
    connection: Connection, owner: str, selector: str, page: Callable[..., Selection]
) -> Selection:
    word = selector[1:]
    if place := _PLACE.match(selector):
        return Selection(store.nth_newest(connection, owner, int(place[1])), is_set=False)
    if word == "last":
        return Selection(store.nth_newest(connection, owner, 1), is_set=False)
    if word in _STATES:
        return page(statuses=_STATES[word])
    raise RequestError(
        f"`{selector}` means nothing",
        hint="@last, @2, " + ", ".join(f"@{name}" for name in sorted(_STATES)),
    )
