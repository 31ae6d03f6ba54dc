"""What administrators did, and who logged in: lines of the log that can be found again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kotta_service.callers import Caller

logger = logging.getLogger("kotta_service.audit")


def note(words: str, who: Caller | str, **facts: object) -> None:
    """Writes down that somebody did something.

    Args:
        who: the caller, or a user's name where nobody has been let in yet.
        facts: about what; never a secret.
    """
    name = who if isinstance(who, str) else who.name
    told = " ".join(f"{key}={value}" for key, value in facts.items())
    logger.info("%s %s %s", name, words, told, extra={"facts": {"user": name, **facts}})
