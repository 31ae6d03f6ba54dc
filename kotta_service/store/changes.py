"""What the change feed reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, select
from typing_extensions import Unpack

from kotta_service.store.jobs import SUMMARY, TERMINAL, JobRow
from kotta_service.store.schema import jobs
from kotta_service.store.visibility import Whose

_RESULTS = select(jobs.c.number, jobs.c.result).where(
    jobs.c.number.in_(bindparam("numbers", expanding=True)), jobs.c.result.is_not(None)
)
_ENDED = (
    select(*SUMMARY, jobs.c.result)
    .where(
        jobs.c.number >= bindparam("first"),
        jobs.c.number < bindparam("behind"),
        jobs.c.status.in_(TERMINAL),
    )
    .order_by(jobs.c.number)
)


def changed_after(
    connection: Connection,
    whose: Whose,
    number: int,
    *,
    ids: Sequence[str] = (),
    ended: bool = False,
    limit: int,
) -> list[JobRow]:
    """Jobs whose latest change is after `number`, in the order of those changes.

    Args:
        ids: these alone.
        ended: only those that have ended.
    """
    given: dict[str, Any] = {"after": number, "most": limit}
    if ids:
        given["ids"] = list(ids)
    return list(connection.execute(_changed(whose, bool(ids), ended), given))


def ended_of(connection: Connection, first: int, behind: int) -> list[JobRow]:
    """The jobs numbered from `first` to before `behind` that have ended, with their results."""
    return list(connection.execute(_ENDED, {"first": first, "behind": behind}))


def results_of(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The results of those of these jobs that have one, by number."""
    found = connection.execute(_RESULTS, {"numbers": numbers})
    return {row.number: row.result for row in found}


@lru_cache(maxsize=256)
def _changed(whose: Whose, named: bool, ended: bool) -> Select[Unpack[tuple[Any, ...]]]:
    # built once: building it costs more than running it, and everybody who waits asks
    statement = select(*SUMMARY).where(whose, jobs.c.change > bindparam("after"))
    if named:
        statement = statement.where(jobs.c.id.in_(bindparam("ids", expanding=True)))
    if ended:
        statement = statement.where(jobs.c.status.in_(TERMINAL))
    return statement.order_by(jobs.c.change).limit(bindparam("most", type_=Integer))
