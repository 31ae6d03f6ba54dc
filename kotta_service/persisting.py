"""Keeps threads and tasks at their work whatever happens: a service without them would only seem
alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

logger = logging.getLogger(__name__)
RECOVER_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
_lock = threading.Lock()
_recovering: Counter[str] = Counter()


def persist(what: str, work: Callable[[], None]) -> None:
    """Works until `work` returns by itself; what it raises is logged, and it begins anew.

    Args:
        what: in the log, such as `the dispatcher`.
    """
    while True:
        try:
            work()
            return
        except BaseException:
            logger.exception("%s failed; it begins anew", what)
            with _noted(what):
                time.sleep(RECOVER_SECONDS)


async def persist_task(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """The same for a task that keeps house: what it fails at keeps nobody from their jobs.

    It ends when it is cancelled.
    """
    pause = RECOVER_SECONDS
    while True:
        try:
            await work()
            return
        except Exception:
            logger.exception("%s failed; it begins anew", what)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def recovering() -> list[str]:
    """Which threads have failed and not begun anew yet, such as `dispatcher`."""
    with _lock:
        return sorted(what.removeprefix("the ") for what, count in _recovering.items() if count)


@contextlib.contextmanager
def _noted(what: str) -> Iterator[None]:
    with _lock:
        _recovering[what] += 1
    try:
        yield
    finally:
        with _lock:
            _recovering[what] -= 1
