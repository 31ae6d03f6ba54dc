"""Whether the storage can be used, asked no more often than is good for it."""

from __future__ import annotations

import asyncio
import logging
import time

from kotta_service.storage import Storage

logger = logging.getLogger(__name__)
REMEMBER_SECONDS = 5.0
ANSWER_SECONDS = 2.0


class StorageWatch:
    """Knows what keeps a storage from being used."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._words = ""
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[str] | None = None

    async def problem(self) -> str:
        """What keeps it from being used now, in words; "" if nothing does."""
        if time.monotonic() - self._asked_at > REMEMBER_SECONDS:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(asyncio.to_thread(self._storage.problem))
            try:
                # what takes longer is not ended: the next one who asks waits for it too
                words = await asyncio.wait_for(asyncio.shield(self._asking), ANSWER_SECONDS)
            except asyncio.TimeoutError:
                return "it does not answer"
            self._asked_at = time.monotonic()
            if words != self._words:
                logger.warning("storage: %s", words or "it can be used again")
            self._words = words
        return self._words
