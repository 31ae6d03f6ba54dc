"""One thread that follows a connection's change feed for everything that waits on it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from kotta.errors import KottaError
from kotta.feed import FEED_JOBS, patiently
from kotta.models import Change, ChangePage

if TYPE_CHECKING:
    from kotta.api import Api
    from kotta.client import Kotta
    from kotta.submission import Submission

FEED_SECONDS = 25.0
IDLE_SECONDS = 5.0
GATHER_SECONDS_EACH = 0.001
MAX_GATHER_SECONDS = 0.25
MANY_JOBS = 20
_NOWHERE = 1 << 62


class Follower:
    """Watches jobs of one connection, in a thread that lives while there are any.

    However many they are, it asks for the changes of all of them at once, with their results. It
    has a socket of its own, so that closing the connection does not cut off what is watched.
    """

    def __init__(self, konn: Kotta) -> None:
        self._konn = konn
        self._begin()
        _followers.add(self)

    def _begin(self) -> None:
        self._lock = threading.Condition()
        self._watched: dict[str, list[Submission]] = {}
        self._after = _NOWHERE
        self._asking = 0
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._aside: ThreadPoolExecutor | None = None

    def after_fork(self) -> None:
        """In a process that was forked: the threads have stayed behind, with what they watch."""
        watched = self._watched
        self._begin()
        for submission in [each for those in watched.values() for each in those]:
            submission.after_fork()

    def follow(self, submissions: Iterable[Submission], after: int) -> None:
        """Watches these jobs until they have ended.

        Args:
            after: a number of the feed up to which everything about them is known.
        """
        ids = []
        with self._lock:
            for submission in submissions:
                submission.mark_followed()
                self._watched.setdefault(submission.id, []).append(submission)
                ids.append(submission.id)
            # going back a little costs a few lines read twice, and misses nothing
            self._after = min(self._after, after)
            # what is asked just now may be answered for long without what came before it
            is_late = after < self._asking
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kotta-feed", daemon=True)
                self._thread.start()
            self._lock.notify()
        if is_late:
            self.aside(partial(self._catch_up, ids, after))

    def aside(self, work: Callable[[], None]) -> None:
        """Does what takes its time (fetching, opening) without keeping the feed's thread."""
        with self._lock:
            if self._aside is None:
                self._aside = ThreadPoolExecutor(4, thread_name_prefix="kotta-open")
        self._aside.submit(work)

    def close(self) -> None:
        """Lets the threads go; what is watched is watched to its end."""
        with self._lock:
            self._is_closing = True
            self._lock.notify()
            aside, self._aside = self._aside, None
        if aside is not None:
            aside.shutdown(wait=True)

    def _run(self) -> None:
        api = self._konn.connect()
        closes = weakref.finalize(self, api.close)  # at the latest when the program ends
        try:
            while (asked := self._next()) is not None:
                self._ask(api, *asked)
        except KottaError as error:
            self._give_up(error)
        finally:
            closes()

    def _next(self) -> tuple[int, int] | None:
        """From where on to ask, and for how many jobs; None: leave, there was nothing for long."""
        with self._lock:
            if not self._watched:
                self._after = _NOWHERE
                if not self._is_closing:
                    self._lock.wait(IDLE_SECONDS)
            if not self._watched:
                self._thread = None
                return None
            self._asking, self._after = self._after, _NOWHERE
            return self._asking, len(self._watched)

    def _ask(self, api: Api, after: int, count: int) -> None:
        page = patiently(lambda: api.changes(after, FEED_SECONDS, results=True))
        with self._lock:
            self._after = min(self._after, page.last)
            self._asking = 0
        self._tell(page)
        if count > MANY_JOBS:
            # news of many come thick and fast: let some gather rather than ask for each
            time.sleep(min(MAX_GATHER_SECONDS, count * GATHER_SECONDS_EACH))

    def _catch_up(self, ids: Sequence[str], after: int) -> None:
        """Tells what became of these jobs up to now, which the question under way leaves out."""
        api = self._konn.api
        for start in range(0, len(ids), FEED_JOBS):
            named, last = ids[start : start + FEED_JOBS], after
            while True:
                try:
                    page = patiently(partial(api.changes, last, 0, named, results=True))
                except KottaError:
                    return  # the next question begins where this one did
                self._tell(page)
                if not page.changes:
                    break
                last = page.changes[-1].number

    def _tell(self, page: ChangePage) -> None:
        with self._lock:
            heard = [
                (submission, change)
                for change in page.changes
                for submission in self._concerned(change)
            ]
        for submission, change in heard:
            submission.note(change.job, change.result)

    def _concerned(self, change: Change) -> list[Submission]:
        if change.job.status.is_terminal:
            return self._watched.pop(change.job.id, [])
        return self._watched.get(change.job.id, [])

    def _give_up(self, error: KottaError) -> None:
        with self._lock:
            watched, self._watched = self._watched, {}
            self._thread, self._after, self._asking = None, _NOWHERE, 0
        for submissions in watched.values():
            for submission in submissions:
                submission.lose_sight(error)


_followers: weakref.WeakSet[Follower] = weakref.WeakSet()


def _after_fork() -> None:
    for follower in list(_followers):
        follower.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
