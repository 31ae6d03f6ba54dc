"""Whose token was whose a moment ago, so that not every request asks the database."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
KEPT_SECONDS = 1.0
"""A token that counts is looked up again after so long; one that is revoked here, at once."""
MOST_KEPT = 4096


class Remembered(Generic[T]):
    """What tokens stand for, for a second; never the tokens themselves.

    Lives on the event loop; `forget` alone may be called from any thread.
    """

    def __init__(self) -> None:
        self._by_digest: dict[bytes, tuple[float, T]] = {}
        self._looks: dict[bytes, asyncio.Future[T]] = {}
        self._generation = 0

    def forget(self) -> None:
        """Nothing that was known so far counts; nor does what is being looked up now."""
        self._generation += 1
        self._by_digest, self._looks = {}, {}

    async def find(self, token: str, look: Callable[[], T]) -> T:
        """What this token stands for; `look` finds it out in a thread, and may raise."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        now = time.monotonic()
        kept = self._by_digest.get(digest)
        if kept is not None and now < kept[0]:
            return kept[1]
        # many requests at once by one token are one look
        current = self._looks.get(digest)
        if current is None:
            current = asyncio.ensure_future(self._look(digest, look))
            self._looks[digest] = current
        return await asyncio.shield(current)

    async def _look(self, digest: bytes, look: Callable[[], T]) -> T:
        generation, now = self._generation, time.monotonic()
        try:
            found = await asyncio.to_thread(look)
        finally:
            if self._looks.get(digest) is asyncio.current_task():
                del self._looks[digest]
        if generation == self._generation:
            if len(self._by_digest) >= MOST_KEPT:
                self._by_digest = {}
            self._by_digest[digest] = (now + KEPT_SECONDS, found)
        return found
