"""Whether the storage can be used, asked no more often than is good for it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future

from kotta_service.storage import Storage

logger = logging.getLogger(__name__)
REMEMBER_SECONDS = 5.0
ANSWER_SECONDS = 2.0
LOOK_SECONDS = 20.0


class StorageWatch:
    """Knows what keeps a storage from being used."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._words = ""
        self._asked_at = float("-inf")
        self._asking: asyncio.Future[str] | None = None

    @property
    def last_problem(self) -> str:
        """What kept it from being used when that was last asked, in words; "" if nothing did."""
        return self._words

    async def tell_regularly(self) -> None:
        """Has the log say when it can no longer be used, and when it can again; for ever."""
        while True:
            await self.problem()
            await asyncio.sleep(LOOK_SECONDS)

    async def problem(self) -> str:
        """What keeps it from being used now, in words; "" if nothing does."""
        if time.monotonic() - self._asked_at > REMEMBER_SECONDS:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.wrap_future(self._ask())
            try:
                # what takes longer is not ended: the next one who asks waits for it too
                words = await asyncio.wait_for(asyncio.shield(self._asking), ANSWER_SECONDS)
                self._asked_at = time.monotonic()
            except asyncio.TimeoutError:
                words = self._words or "it does not answer"
            if words != self._words:
                logger.warning("storage: %s", words or "it can be used again")
            self._words = words
        return self._words

    def _ask(self) -> Future[str]:
        """Asks in a thread that keeps no service from leaving, as one of asyncio's would."""
        answer: Future[str] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._storage.problem())
            except Exception as error:
                answer.set_exception(error)

        threading.Thread(target=ask, name="storage-watch", daemon=True).start()
        return answer
