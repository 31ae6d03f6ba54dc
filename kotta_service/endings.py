"""What becomes of a job by what was heard of its attempt, or seen once nothing is at work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kotta_service import jobs
from kotta_service.executors import Sight, Sighting
from kotta_service.messages import ExitRecord
from kotta_service.store.database import Transaction
from kotta_service.store.jobs import JobRow

Rule = Callable[[Transaction, JobRow, float], None]
"""What becomes of a job, given its row and the time."""


def ending(sighting: Sighting, record: ExitRecord) -> Rule:
    """The rule for a job of which nothing is at work any more, and that left a record."""
    finish = finishing(record)
    if sighting.sight is not Sight.LOST:
        return finish

    def rule(transaction: Transaction, row: JobRow, now: float) -> None:
        # what it made is kept, unless it is tried again
        if jobs.may_retry(row):
            jobs.lose(transaction, row, now, sighting.words)
        else:
            finish(transaction, row, now)

    return rule


def losing(sighting: Sighting) -> Rule:
    """The rule for a job of which nothing is at work any more, and that left no record."""
    verdict, words = sighting.verdict, sighting.words
    if verdict is not None:
        return lambda tx, row, now: jobs.settle(tx, row, verdict, now)
    return lambda tx, row, now: jobs.lose(tx, row, now, words)


def beginning(at: float) -> Rule:
    """The rule that takes in when a job has begun that the launcher held."""
    return lambda transaction, row, _now: jobs.begin(transaction, row, at)


def advancing(timeline: Mapping[str, float]) -> Rule:
    """The rule that takes in the phases that a job has entered."""
    return lambda transaction, row, _now: jobs.advance(transaction, row, timeline)


def finishing(record: ExitRecord) -> Rule:
    """The rule that ends a job as its exit record says."""
    return lambda transaction, row, _now: jobs.finish(transaction, row, record)
