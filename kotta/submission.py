"""One submitted job as this process knows it: where it is, its end, and what it came to.

What a person holds in hand (`kotta.job`) and the futures (`kotta.executor`) stand on it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from kotta.errors import KottaError, WaitTimeoutError
from kotta.feed import patiently
from kotta.models import Job, JobDetail, JobState, Result
from kotta.outcome import failure_of, value_of

if TYPE_CHECKING:
    from kotta.client import Kotta

logger = logging.getLogger(__name__)
POLL_SECONDS = 25.0
FRESH_SECONDS = 60.0
Callback = Callable[[KottaError | None], None]
"""Told None at a job's end, or why nobody follows the job any more."""

_WITHOUT_VALUE = ("error", "unreadable")


class Submission:
    """A job of the service's; may be used by several threads.

    Attributes:
        konn: the connection that it is asked about on.
        latest: the job as it was last heard of.
    """

    def __init__(self, konn: Kotta, job: Job) -> None:
        self.konn = konn
        self.latest: Job = job
        self._heard_at = time.monotonic()
        self._result: Result | None = None
        self._trouble: KottaError | None = None
        self._is_followed = False
        self._ended = threading.Event()
        self._lock = threading.RLock()
        self._callbacks: list[Callback] = []
        self._outcome: tuple[Any, BaseException | None] | None = None
        self.note(job, None)

    @property
    def id(self) -> str:
        return self.latest.id

    @property
    def is_done(self) -> bool:
        return self.latest.status.is_terminal

    @property
    def is_plain(self) -> bool:
        """Whether opening the outcome needs no further request."""
        result = self._result
        return result is not None and result.format not in _WITHOUT_VALUE and result.file is None

    def note(self, job: Job, result: Result | None) -> None:
        """Takes in what was heard of the job; on its end, those who wait are told."""
        with self._lock:
            self._heard_at = time.monotonic()
            if job.change < self.latest.change:
                return
            if job.change > self.latest.change or isinstance(job, JobDetail):
                self.latest = job
            self._result = result or self._result or getattr(job, "result", None)
            if not job.status.is_terminal or self._ended.is_set():
                return
        self._tell()

    def lose_sight(self, error: KottaError) -> None:
        """Says that nobody follows the job any more, and why; whoever waits is told."""
        with self._lock:
            self._is_followed = False
            self._trouble = error
        self._tell(error)

    def refresh(self, wait_seconds: float = 0) -> JobDetail:
        """Asks the service, which answers at the job's end or after so many seconds."""
        detail = self.konn.status(self.id, wait_seconds=wait_seconds)
        self.note(detail, detail.result)
        return detail

    def detail(self) -> JobDetail:
        """Everything about the job, asked for unless its end is known in full."""
        if self.is_done and isinstance(self.latest, JobDetail):
            return self.latest
        return self.refresh()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the job ended within `timeout` seconds; None: however long that takes."""
        timeout = None if timeout is None else max(0.0, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        remaining = timeout
        while not self.is_done:
            if self._is_followed:
                self._ended.wait(remaining)
                self._raise_trouble()
            else:
                self._hear(POLL_SECONDS if remaining is None else min(POLL_SECONDS, remaining))
            if deadline is not None:
                remaining = max(0.0, deadline - time.monotonic())
                if remaining == 0:
                    return self.is_done
        return True

    def outcome(self, timeout: float | None = None) -> tuple[Any, BaseException | None]:
        """The value and None, or None and the exception.

        Raises:
            WaitTimeoutError: the job did not end within `timeout` seconds; it goes on.
        """
        if not self.wait(timeout):
            raise WaitTimeoutError(
                f"job {self.id} had not ended after {timeout:g} s",
                hint=f"it goes on: kotta wait {self.id}",
            )
        with self._lock:
            if self._outcome is None:
                self._outcome = self._opened()
            return self._outcome

    def result(self, timeout: float | None = None) -> Any:
        """The value; the exception is raised, see `kotta.outcome`."""
        value, exception = self.outcome(timeout)
        if exception is not None:
            raise exception
        return value

    def on_end(self, callback: Callback, *, may_wait: bool = False) -> None:
        """Calls back once when the job has ended, now if it has; the connection's feed is followed.

        An exception in it is logged.

        Args:
            may_wait: it may take any time, so it gets a thread of its own: that which hears of the
                end is the one that others wait for.
        """
        with self._lock:
            waits = not self._ended.is_set()
            if waits:
                self._callbacks.append(partial(_run_apart, callback) if may_wait else callback)
        if waits:
            self.follow()
        else:
            _run(callback, None)

    def follow(self) -> None:
        """Has the connection's feed thread watch the job."""
        if self._is_followed or self.is_done:
            return
        after = self._known_until()
        # looked at again: had it ended meanwhile, its end might lie before that number
        if not self.is_done:
            self.konn.follower.follow([self], after)

    def mark_followed(self) -> None:
        self._is_followed = True

    def after_fork(self) -> None:
        """In a process that was forked: who followed the job has stayed behind, perhaps amid it."""
        self._lock = threading.RLock()
        self._is_followed = False
        self._ended = threading.Event()
        if self.is_done:
            self._ended.set()

    def _known_until(self) -> int:
        """A number of the feed after which nothing about this job has been missed."""
        if time.monotonic() - self._heard_at < FRESH_SECONDS:
            return self.latest.change
        # heard of long ago: rather than read all that has happened since, look where it is now
        last = self.konn.api.changes(None).last
        self.refresh()
        return last

    def _hear(self, seconds: float) -> None:
        """Waits for the end for so long; what the service tells of it is enough for the outcome."""
        if seconds:
            ask = partial(
                self.konn.api.changes,
                self.latest.change,
                seconds,
                [self.id],
                results=True,
                ended=True,
            )
            for change in patiently(ask).changes:
                if change.job.id == self.id:
                    self.note(change.job, change.result)
        if not self.is_done:
            # after a silence the job itself has the last word
            self.refresh()

    def _tell(self, trouble: KottaError | None = None) -> None:
        with self._lock:
            self._ended.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _run(callback, trouble)

    def _raise_trouble(self) -> None:
        with self._lock:
            trouble, self._trouble = self._trouble, None
            if trouble is not None:
                self._ended.clear()
                raise trouble

    def _opened(self) -> tuple[Any, BaseException | None]:
        result = self._result
        if result is None and (self.latest.jobtype == "python" or not self._succeeded):
            result = self.detail().result
        try:
            if result is not None and result.format not in _WITHOUT_VALUE:
                return value_of(self.konn, self.id, result), None
            if self._succeeded and result is None:
                return None, None
            return None, failure_of(self.konn, self.detail())
        except KottaError as error:
            return None, error

    @property
    def _succeeded(self) -> bool:
        return self.latest.status is JobState.COMPLETED


def apart(work: Callable[[], object]) -> None:
    """Does what a user of the library wants done, in a thread of its own: it may take any time."""
    threading.Thread(target=_logged, args=(work,), name="kotta-callback", daemon=True).start()


def _run_apart(callback: Callback, trouble: KottaError | None) -> None:
    apart(partial(callback, trouble))


def _logged(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        logger.exception("what was to be done at a job's end failed")


def _run(callback: Callback, trouble: KottaError | None) -> None:
    _logged(partial(callback, trouble))
