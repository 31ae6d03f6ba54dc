"""What must hold of every job in the database, whatever was killed: docs/guarantees.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from kotta_service.jobs import TERMINAL
from kotta_service.store.jobs import ACTIVE, JobRow
from kotta_service.store.whole import WholeJob

_ORDER = {"pending": 0, **{phase: place for place, phase in enumerate(ACTIVE, 1)}}


def broken_rules(whole: WholeJob) -> Iterator[str]:
    """What is wrong with one job, in words."""
    yield from _state(whole.job)
    yield from _history(whole.job, whole.steps)
    yield from _belongings(whole)


def _state(row: JobRow) -> Iterator[str]:
    is_over = row.status in TERMINAL
    if not is_over and row.status not in _ORDER:
        yield f"is in a state that there is not: {row.status}"
    if is_over != (row.ended_at is not None):
        yield f"is {row.status}, and " + ("has no end" if is_over else "has an end")
    if is_over != (row.reason is not None):
        yield f"is {row.status}, and " + ("has no reason" if is_over else "has a reason to be over")
    if not is_over and row.result is not None:
        yield f"is {row.status}, and has a result"
    if row.status in ACTIVE and not row.attempt:
        yield f"is {row.status} without an attempt"
    if row.attempt > row.retries + 1:
        yield f"is at attempt {row.attempt}, and asked for {row.retries} retries"


def _history(row: JobRow, steps: list[JobRow]) -> Iterator[str]:
    if not steps:
        yield "has no history"
        return
    first, last = steps[0], steps[-1]
    if (first.status, first.attempt) != ("pending", 0):
        yield f"began as {first.status}, attempt {first.attempt}"
    if (last.status, last.attempt) != (row.status, row.attempt):
        yield f"is {row.status}, and its history ends with {last.status}"
    if last.change > row.change:
        yield f"has change {row.change}, and one later than that"
    for before, after in pairwise(steps):
        if not _is_legal(before, after):
            yield (
                f"went from {before.status} (attempt {before.attempt}) to {after.status} "
                f"(attempt {after.attempt})"
            )


def _is_legal(before: JobRow, after: JobRow) -> bool:
    one, other = str(before.status), str(after.status)
    if one in TERMINAL:
        return False
    if other == "staging_inputs":
        return one == "pending" and bool(after.attempt == before.attempt + 1)
    if after.attempt != before.attempt:
        return False
    if other in TERMINAL:
        return (one, other) != ("pending", "completed")
    if other == "pending":
        return one != "pending"  # lost, and it may be tried again
    return 0 < _ORDER.get(one, 0) < _ORDER.get(other, 0)


def _belongings(whole: WholeJob) -> Iterator[str]:
    row = whole.job
    if whole.tags != set(row.tags):
        yield f"has the tags {sorted(row.tags)}, and is found by {sorted(whole.tags)}"
    if row.status == "pending" and whole.open_needs != row.waits_for:
        yield f"waits for {row.waits_for} jobs, and {whole.open_needs} of those are open"
    if whole.needed_by and not row.is_needed:
        yield "is needed by others, and does not know"
    if whole.outputs and row.status not in TERMINAL:
        yield f"is {row.status}, and has outputs already"
    attempts = {output.attempt for output in whole.outputs}
    if attempts - {row.attempt}:
        yield f"has outputs of attempt {max(attempts)}, and is at {row.attempt}"
    for output in whole.outputs:
        if output.available and (output.size_bytes is None or output.sha256 is None):
            yield f"has an output without size and SHA-256: {output.name}"
