"""When a dispatcher looks again at what an executor has, and what it does beside that."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from kotta.errors import KottaError
from kotta_service.executors import LONGEST_PAUSE_SECONDS, PAUSE_SHARE, Key

logger = logging.getLogger(__name__)
ROUND_SECONDS = 1.0


class Rounds:
    """When to look again at all that one executor has."""

    def __init__(self) -> None:
        self._began_at = float("-inf")
        self._pause_seconds = 0.0

    def is_due(self, round_seconds: float) -> bool:
        """Whether to look now, if it is not to be done more often than that."""
        pause = max(round_seconds, self._pause_seconds)
        return time.monotonic() - self._began_at >= pause - ROUND_SECONDS / 2

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Takes in what the look within the block costs."""
        self._began_at = time.monotonic()
        used_before = time.thread_time()
        try:
            yield
        finally:
            used_seconds = time.thread_time() - used_before
            self._pause_seconds = min(used_seconds * PAUSE_SHARE, LONGEST_PAUSE_SECONDS)


class BesideRounds:
    """What is done beside the rounds, once at a time for each attempt."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="looks")
        self._under_way: set[Key] = set()

    def begin(self, key: Key, action: Callable[[], None]) -> None:
        """Begins it, unless it is under way for this attempt; if it fails, a later round will."""
        if key in self._under_way:
            return
        self._under_way.add(key)

        def do() -> None:
            try:
                action()
            except KottaError as error:
                logger.warning("how %s ended cannot be taken in yet: %s", key, error)
            except Exception:
                logger.exception("how %s ended could not be taken in", key)
            finally:
                self._under_way.discard(key)

        self._threads.submit(do)

    def end(self) -> None:
        self._threads.shutdown(cancel_futures=True)
