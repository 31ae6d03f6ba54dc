"""Waiting for what happens by itself, without sleeping for longer than it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T], timeout: float = 10, what: Callable[[], object] | None = None
) -> T:
    """The first true answer of `predicate`.

    Args:
        timeout: seconds; after that the test fails, showing the last observation.
        what: makes that observation; by default it is the predicate's last answer.
    """
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"did not happen within {timeout} s; last seen: {what() if what else answer!r}"
            )
        time.sleep(0.01)
    return answer
