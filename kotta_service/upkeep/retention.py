"""When what has ended is forgotten: what the settings say, and logins, done every hour."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from kotta.errors import KottaError
from kotta.models.upkeep import PruneReport
from kotta_service.parts import Parts
from kotta_service.settings import MIB, KeepSettings
from kotta_service.store.jobs import JobRow
from kotta_service.upkeep import turns
from kotta_service.upkeep.pruning import AT_ONCE, Pruner, Terms

logger = logging.getLogger(__name__)
EVERY_SECONDS = 3600.0
FIRST_SECONDS = 60.0
_DAY_SECONDS = 24 * 3600.0


def seconds(keep: KeepSettings) -> float | None:
    """How long is kept what has ended; None: for ever."""
    return None if keep.days is None else keep.days * _DAY_SECONDS


def expires_at(keep: KeepSettings, row: JobRow) -> float | None:
    """When a job may be forgotten for its age, seconds since 1970; None: never or not yet."""
    after = seconds(keep)
    return None if after is None or row.ended_at is None else row.ended_at + after


def prune(
    parts: Parts, older_than_seconds: float | None, storage_mib: int | None, *, dry_run: bool
) -> PruneReport:
    """Forgets what these say.

    Raises:
        ConflictError: somebody checks or copies what is kept.
    """
    before = None if older_than_seconds is None else time.time() - older_than_seconds
    terms = Terms(before, None if storage_mib is None else storage_mib * MIB)
    with turns.removing(parts.data):
        pruner = Pruner(parts.database, parts.storage, parts.data, terms)
        return pruner.run(dry_run=dry_run)


async def prune_regularly(parts: Parts) -> None:
    """Forgets what the settings say, and logins that ended, every hour while the service lives."""
    pause = FIRST_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = EVERY_SECONDS
        # of several processes on one database, one does it
        if parts.dispatcher.is_its_turn:
            try:
                await asyncio.to_thread(_forget, parts)
            except (KottaError, OSError) as error:
                logger.warning("nothing was forgotten, in an hour it is tried again: %s", error)


def _forget(parts: Parts) -> None:
    # others write between these
    while parts.database.write(partial(parts.logins.forget_ended, most=AT_ONCE)).result():
        pass
    keep = parts.settings.keep
    if keep.days is not None or keep.storage_mib is not None:
        done = prune(parts, seconds(keep), keep.storage_mib, dry_run=False)
        logger.info("forgot %d jobs and %d uploads", done.jobs, done.uploads)
