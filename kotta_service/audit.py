"""What administrators did, and who logged in: lines of the log that can be found again."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kotta_service.callers import Caller

logger = logging.getLogger("kotta_service.audit")
LOOK_SECONDS = 60
"""The same look of an administrator is told once in so long: who follows a log looks often."""
MAX_LOOKS = 10_000


def note(words: str, who: Caller | str, **facts: object) -> None:
    """Writes down that somebody did something.

    Args:
        who: the caller, or a user's name where nobody has been let in yet.
        facts: about what; never a secret.
    """
    name = who if isinstance(who, str) else who.name
    told = " ".join(f"{key}={value}" for key, value in facts.items())
    logger.info("%s %s %s", name, words, told, extra={"facts": {"user": name, **facts}})


class Looks:
    """Looks that administrators take at what is others', written down."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()

    def note(self, words: str, who: Caller, **facts: str) -> None:
        """Writes down that an administrator looked at something, unless that was just done."""
        key, now = (who.name, words, " ".join(facts.values())), time.monotonic()
        with self._lock:
            if now < self._told.get(key, 0):
                return
            if len(self._told) >= MAX_LOOKS:
                self._told.clear()
            self._told[key] = now + LOOK_SECONDS
        note(words, who, **facts)
