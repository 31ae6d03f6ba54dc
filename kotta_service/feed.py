"""Tells waiting requests that something changed; what changed, they read from the database."""

from __future__ import annotations

import asyncio
import contextlib

MAX_WAIT_SECONDS = 25
"""Longer than this no request is kept waiting: what lies between may think it dead."""


class Feed:
    """The latest change number, and a way to wait for a later one.

    Lives on one event loop; `publish` alone may be called from any thread. `waiting` is how many
    wait.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self.waiting = 0

    def publish(self, number: int) -> None:
        """Wake everybody who waits for something after a number less than `number`."""
        self.last = max(
            self.last, number
        )  # before the look at who waits: they look at it after they are counted
        if self.waiting:
            # a loop that is gone has nobody who waits
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Wake everybody for good: the service is leaving. Call it on the loop."""
        self.closed = True
        self._wake()

    async def wait_beyond(self, number: int, seconds: float) -> bool:
        """True as soon as there is a change after `number`; False after `seconds`, or at close."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        self.waiting += 1
        try:
            while self.last <= number and not self.closed:
                remaining = deadline - loop.time()
                if remaining <= 0:
                    break
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._news.wait(), remaining)
        finally:
            self.waiting -= 1
        return self.last > number

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
