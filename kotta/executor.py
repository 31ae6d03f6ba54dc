"""`KottaExecutor`: calls as jobs behind the interface of `concurrent.futures`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from kotta.errors import JobCancelledError, KottaError
from kotta.functions import Files, KottaFn, kottajob, values_of
from kotta.submission import Submission, apart

if TYPE_CHECKING:
    from kotta.client import Kotta
    from kotta.job import KottaJob


class KottaFuture(Future[Any]):
    """The future of a job; all futures of a connection are resolved by one thread.

    Attributes:
        job: the job itself, with its files and logs.
    """

    job: KottaJob
    _submission: Submission

    def __init__(self) -> None:
        super().__init__()
        self._cancel_asked = False
        self._cancelling = threading.Lock()
        self._settling = threading.Lock()
        self._has_callbacks = False

    @classmethod
    def of(cls, job: KottaJob) -> KottaFuture:
        """The future of a submitted job's latest submission."""
        future = cls()
        future.job = job
        future._submission = submission = job.submission
        submission.on_end(lambda trouble: future._end(submission, trouble))
        return future

    def cancel(self) -> bool:
        """Asks for the job's end, also once it runs; True unless it has ended already."""
        if self.done():
            return self.cancelled()
        self._cancel_asked = True
        if self.job.cancel():
            self._be_cancelled()
        return self.cancelled()

    def running(self) -> bool:
        """Whether the job has been started and not ended."""
        return not self.done() and self.job.running()

    def result(self, timeout: float | None = None) -> Any:
        """As of `concurrent.futures.Future`."""
        self._be_followed()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As of `concurrent.futures.Future`."""
        self._be_followed()
        return super().exception(timeout)

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """As of `concurrent.futures.Future`; `fn` may wait for other jobs."""
        with self._settling:
            self._has_callbacks = True
        super().add_done_callback(fn)

    def _be_followed(self) -> None:
        # who did may have stayed behind in the process that this one was forked from
        if not self.done():
            self._submission.follow()

    def _end(
        self, submission: Submission, trouble: KottaError | None, *, is_opened: bool = False
    ) -> None:
        """Settles it without keeping this thread, for which all other futures wait."""

        def settle() -> None:
            self._settle(*((None, trouble) if trouble is not None else submission.outcome()))

        def open_it() -> None:
            submission.outcome()
            self._end(submission, None, is_opened=True)

        with self._settling:
            has_callbacks = self._has_callbacks
            is_quick = trouble is not None or is_opened or submission.is_plain
            if is_quick and not has_callbacks:
                settle()
                return
        if has_callbacks:
            apart(settle)
        else:
            submission.konn.follower.aside(open_it)

    def _settle(self, value: Any, exception: BaseException | None) -> None:
        if self._cancel_asked and isinstance(exception, JobCancelledError):
            self._be_cancelled()
            return
        with suppress(InvalidStateError):  # cancelled meanwhile
            if exception is not None:
                self.set_exception(exception)
            else:
                self.set_result(value)

    def _be_cancelled(self) -> None:
        # by whoever asked, or by who hears of it first
        with self._cancelling:
            if not self.cancelled() and super().cancel():
                self.set_running_or_notify_cancel()


class KottaExecutor(Executor):
    """Runs calls as jobs; its futures are accepted by `as_completed` and `wait`.

    Args:
        conn: where they run; None: `Kotta()`.
        queue: which queue they wait in.
        walltime: longest time a call may run, minutes.
        requirements, inputs, outputs, fields: as of `kottajob`.
    """

    def __init__(
        self,
        conn: Kotta | None = None,
        queue: str = "Test",
        walltime: float = 300,
        requirements: str = "",
        inputs: Files = (),
        outputs: Files = (),
        **fields: Any,
    ) -> None:
        self._decorate = kottajob(
            conn, queue, walltime, True, requirements, inputs, outputs, **fields
        )
        self._is_shut = False
        self._futures: set[Future[Any]] = set()
        self._mapped: set[Submission] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> KottaFuture:
        """Submits the call as a job, which is on the service's disk on return.

        Raises:
            RuntimeError: after `shutdown`.
            PythonVersionError, UnpicklableError: the call cannot be made.
        """
        future = KottaFuture.of(self._function(fn).submit(*args, **kwargs))
        self._futures.add(future)
        future.add_done_callback(self._forget)
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """Values of all calls, in order; the calls are submitted in one request before it returns.

        Args:
            timeout: seconds from now within which the values must have come.
            chunksize: has no meaning here.

        Raises:
            WaitTimeoutError: from the iterator, after `timeout`; the calls go on.
        """
        function = self._function(fn)
        submissions = function.submit_each(*iterables)
        values = values_of(function.conn, submissions, timeout=timeout)
        self._mapped.update(submissions)
        for each in submissions:
            each.on_end(partial(self._forget_mapped, each))
        return values

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls.

        Args:
            wait: return only when all jobs submitted here have ended.
            cancel_futures: cancel those that have not ended.
        """
        self._is_shut = True
        open_now, mapped = list(self._futures), list(self._mapped)
        if cancel_futures:
            for future in open_now:
                future.cancel()
            if mapped:
                mapped[0].konn.cancel_many([submission.id for submission in mapped])
        if wait:
            wait_for(open_now)
            for submission in mapped:
                submission.wait()

    def _function(self, fn: Callable[..., Any]) -> KottaFn:
        if self._is_shut:
            raise RuntimeError("cannot submit after shutdown")
        return self._decorate(fn.func if isinstance(fn, KottaFn) else fn)

    def _forget_mapped(self, submission: Submission, _: object) -> None:
        self._mapped.discard(submission)

    def _forget(self, future: Future[Any]) -> None:
        self._futures.discard(future)
