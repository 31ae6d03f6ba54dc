"""Whose jobs a statement is about: conditions on the table of jobs."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, or_, select, true

from kotta_service.store.schema import jobs, shares

Whose: TypeAlias = "ColumnElement[bool]"
EVERYBODY = "*"
"""Stands for everybody who may log in, among the readers of a job."""

# the same conditions for the same user: a statement that has been built with them is kept
_remembered = lru_cache(maxsize=256)


@_remembered
def own(name: str) -> Whose:
    """A user's own."""
    return jobs.c.owner == name


@_remembered
def shared_with(name: str) -> Whose:
    """Others' jobs that a user may see because their owners said so."""
    return and_(jobs.c.owner != name, _is_shared_with(name))


@_remembered
def readable_by(name: str) -> Whose:
    """A user's own and those shared with them."""
    return or_(own(name), _is_shared_with(name))


@_remembered
def anybodys() -> Whose:
    """Every job there is."""
    return true()


def _is_shared_with(name: str) -> Whose:
    numbers = select(shares.c.job_number).where(shares.c.reader.in_((name, EVERYBODY)))
    return jobs.c.number.in_(numbers)
