"""Threads for what waits: a few at a time, the first failure ends all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

LEAVE_SECONDS = 2.0
"""How long an end is waited for: a thread may hang in a read for half a minute."""

Task = Callable[[], None]


class StoppedError(Exception):
    """Somebody else failed, or was interrupted: what is going on is no longer wanted."""


class Stop:
    """Says to all who look that they are to leave.

    Args:
        above: whoever looks at this one is to leave when that one is set, too.
    """

    def __init__(self, above: Stop | None = None) -> None:
        self._event = threading.Event()
        self._above = above

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Nothing, until it is set.

        Raises:
            StoppedError: it is.
        """
        if self._event.is_set():
            raise StoppedError
        if self._above is not None:
            self._above.check()


def together(tasks: Iterable[Task], threads: int, stop: Stop) -> None:
    """Does the tasks in order, so many at a time, and returns when all are done.

    The threads are daemons: one that hangs in a read must not hold up a person who has pressed
    Ctrl-C. The first error (or interrupt) sets `stop`, and is raised once the others have left.
    """
    left = iter(tasks)
    failures: list[BaseException] = []
    lock = threading.Lock()

    def work() -> None:
        try:
            while True:
                stop.check()
                with lock:
                    task = next(left, None)
                if task is None:
                    return
                task()
        except BaseException as error:
            failures.append(error)
            stop.set()

    running = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    try:
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    except BaseException:
        stop.set()
        deadline = time.monotonic() + LEAVE_SECONDS
        for thread in running:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        raise
    # who was told to leave is no reason, unless there is no other
    for error in sorted(failures, key=lambda each: isinstance(each, StoppedError)):
        raise error
