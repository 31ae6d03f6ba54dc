"""Keeps a thread at its work whatever happens: a service without it would only seem alive."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
RECOVER_SECONDS = 0.5


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
            time.sleep(RECOVER_SECONDS)
