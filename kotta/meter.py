"""Tells a caller how far files are: one thread at a time, and not for every chunk."""

from __future__ import annotations

import threading
import time

from kotta.contents import Progress

EVERY_SECONDS = 0.05
_NEVER = (-1, 0.0)


class Meter:
    """What many threads tell, passed on to one caller's `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._told: dict[str, tuple[int, float]] = {}

    def __call__(self, name: str, done_bytes: int, size_bytes: int) -> None:
        if self._progress is None:
            return
        now = time.monotonic()
        told_at = self._told.get(name, _NEVER)[1]
        if done_bytes < size_bytes and now - told_at < EVERY_SECONDS:
            return
        with self._lock:
            # of two threads that bring one file, the slower must not set it back
            if done_bytes > self._told.get(name, _NEVER)[0]:
                self._told[name] = done_bytes, now
                self._progress(name, done_bytes, size_bytes)
