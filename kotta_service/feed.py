"""Tells waiting requests that something changed; what changed, they read from the database."""

from __future__ import annotations

import asyncio
import contextlib

MAX_WAIT_SECONDS = 25
"""Longer than this no request is kept waiting: what lies between may think it dead."""


class Feed:
    """The latest change number, and a way to wait for a later one.

    Lives on one event loop; `publish` alone may be called from any thread.

    Attributes:
        last_end: no job has ended by a change after this one.
        waiting: how many wait.
    """

    def __init__(self, last: int) -> None:
        self.last = self.last_end = last
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self.waiting = 0

    def publish(self, number: int, ends_jobs: bool = True) -> None:
        """Wake everybody who waits for something after a number less than `number`.

        Args:
            ends_jobs: whether some of it may be the end of a job.
        """
        # before the look at who waits: they look at it after they are counted
        self.last = max(self.last, number)
        if ends_jobs:
            self.last_end = max(self.last_end, number)
        if self.waiting:
            # a loop that is gone has nobody who waits
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Wake everybody for good: the service is leaving. Call it on the loop."""
        self.closed = True
        self._wake()

    async def wait_beyond(self, number: int, seconds: float, *, for_end: bool = False) -> bool:
        """True as soon as there is a change after `number`; False after `seconds`, or at close.

        Args:
            for_end: a change by which a job has ended.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        self.waiting += 1
        try:
            while self._latest(for_end) <= number and not self.closed:
                remaining = deadline - loop.time()
                if remaining <= 0:
                    break
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._news.wait(), remaining)
        finally:
            self.waiting -= 1
        return self._latest(for_end) > number

    def _latest(self, for_end: bool) -> int:
        return self.last_end if for_end else self.last

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
