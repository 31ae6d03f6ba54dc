"""The rules of uploads: kept where there is room for them, and what was refused is not left lying.

Whether there is room is asked before bytes come, so that few come for nothing, and once more in the
transaction that records them: others of the same user's may have come meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias, TypeVar

from fastapi import Request

from kotta.errors import ForbiddenError
from kotta_service import limits
from kotta_service.limits import Room
from kotta_service.parts import Parts
from kotta_service.settings import Settings
from kotta_service.storage import Storage
from kotta_service.store import pruning as store
from kotta_service.store import uploads
from kotta_service.store.database import Database, Transaction

T = TypeVar("T")
Record: TypeAlias = Callable[[Transaction, str, int], T]
"""Records an upload, given its SHA-256 and size; what it refuses is removed again."""


async def keep(parts: Parts, owner: str, sha256: str, request: Request, record: Record[T]) -> T:
    """Keeps the body of a request.

    Args:
        sha256: of what is to come, "" if nobody told.

    Raises:
        QuotaError: there is no room for it.
    """
    announced = request.headers.get("content-length", "")
    room = await asyncio.to_thread(_room, parts, owner, sha256)
    room.refuse(int(announced) if announced.isdigit() else 1)
    chunks, limit = room.filled_by(request.stream()), parts.settings.max_upload_mib << 20
    keeping = parts.storage.keep_upload(owner, sha256 or None, chunks, limit)
    return await _recorded(parts, owner, keeping, record)


async def keep_file(parts: Parts, owner: str, sha256: str, source: Path, record: Record[T]) -> T:
    """Keeps a file of this machine.

    Raises:
        QuotaError: there is no room for it.
    """
    limit = parts.settings.max_upload_mib << 20
    keeping = parts.storage.keep_file(owner, sha256, source, limit)
    return await _recorded(parts, owner, keeping, record)


async def _recorded(
    parts: Parts,
    owner: str,
    keeping: AbstractAsyncContextManager[tuple[str, int]],
    record: Record[T],
) -> T:
    async with keeping as (found, size):
        recorded = parts.database.write(lambda transaction: record(transaction, found, size))
        try:
            return await asyncio.wrap_future(recorded)
        except ForbiddenError as error:
            refusal = error
    await asyncio.to_thread(forget, parts.database, parts.storage, owner, found)
    raise refusal


def refuse(parts: Parts, owner: str, sha256: str, more_bytes: int) -> None:
    """Refuses what there is no room for before it is sent.

    Raises:
        QuotaError: there is none.
    """
    _room(parts, owner, sha256).refuse(more_bytes)


def record(
    transaction: Transaction, settings: Settings, owner: str, sha256: str, size_bytes: int
) -> bool:
    """Records an upload that is kept; False if it was there already.

    Raises:
        QuotaError: there is no room for it any more.
    """
    room = limits.room_for_upload(transaction.connection, settings, owner, sha256)
    room.refuse(size_bytes)
    return uploads.keep(transaction, owner, sha256, size_bytes, time.time())


def forget(
    database: Database, storage: Storage, owner: str, sha256: str, before: float = math.inf
) -> None:
    """Removes an upload that nobody has, unless it was put there after a moment."""

    def is_wanted() -> bool:
        # where each owner's lie by themselves, others' are of no matter
        of_whom = owner if storage.is_direct else None
        with database.read() as connection:
            return store.has_upload(connection, sha256, of_whom)

    storage.forget_upload(owner, sha256, before, is_wanted)


def _room(parts: Parts, owner: str, sha256: str) -> Room:
    with parts.database.read() as connection:
        return limits.room_for_upload(connection, parts.settings, owner, sha256)
