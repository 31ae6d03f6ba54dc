"""`KottaExecutor`: calls as jobs behind the interface of `concurrent.futures`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kotta.errors import JobCancelledError, KottaError
from kotta.functions import Files, KottaFn, kottajob

if TYPE_CHECKING:
    from kotta.client import Kotta
    from kotta.job import KottaJob
    from kotta.submission import Submission


class KottaFuture(Future[Any]):
    """The future of a job; all futures of a connection are resolved by one thread.

    Attributes:
        job: the job itself, with its files and logs.
    """

    job: KottaJob

    def __init__(self) -> None:
        super().__init__()
        self._cancel_asked = False
        self._cancelling = threading.Lock()

    @classmethod
    def of(cls, job: KottaJob) -> KottaFuture:
        """The future of a submitted job's latest submission."""
        future = cls()
        future.job = job
        submission = job.submission
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

    def _end(self, submission: Submission, trouble: KottaError | None) -> None:
        if trouble is not None:
            self._settle(None, trouble)
        elif submission.is_plain:
            self._settle(*submission.outcome())
        else:
            submission.konn.follower.aside(lambda: self._settle(*submission.outcome()))

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
        return self._function(fn).map(*iterables, timeout=timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls.

        Args:
            wait: return only when all jobs submitted here have ended.
            cancel_futures: cancel those that have not ended.
        """
        self._is_shut = True
        open_now = list(self._futures)
        if cancel_futures:
            for future in open_now:
                future.cancel()
        if wait:
            wait_for(open_now)

    def _function(self, fn: Callable[..., Any]) -> KottaFn:
        if self._is_shut:
            raise RuntimeError("cannot submit after shutdown")
        return self._decorate(fn.func if isinstance(fn, KottaFn) else fn)

    def _forget(self, future: Future[Any]) -> None:
        self._futures.discard(future)
