"""`KottaJob`: a job in a person's hand, by the names of the first library and as a future.

Its state and end are a `kotta.submission.Submission`'s; how it is drawn lies in `kotta.notebook`
and `kotta.progress`.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from kotta.errors import ConflictError, RequestError
from kotta.first_library import as_list, output_url
from kotta.models import Job, JobDetail, JobState
from kotta.outputs import KOut
from kotta.submission import Submission

if TYPE_CHECKING:
    from concurrent.futures import Future

    from kotta.client import Kotta

_DEFAULTS: Mapping[str, Any] = {
    "inputs": "",
    "outputs": "",
    "walltime": 300,
    "queue": "Test",
    "output_file_stdout": "STDOUT.txt",
    "output_file_stderr": "STDERR.txt",
}
TICK_SECONDS = 1.0


class KottaJob:
    """A job: to be submitted, or submitted already and then a future.

    Every method that talks to the service takes the connection first, and does without it once the
    job knows one. May be used by several threads.

    Args:
        konn: a connection.
        job_id: id of a job that was submitted earlier, by whoever; this object is then that job.
        description: the fields of a description (docs/description.md), such as `executable`,
            `script`, `script_name`, `inputs`, `outputs`, `walltime` (minutes, default 300), `queue`
            (default `Test`).

    Raises:
        NotFoundError: the service knows no job of that id.
    """

    def __init__(
        self, konn: Kotta | None = None, *, job_id: str | None = None, **description: Any
    ) -> None:
        self._konn = konn
        self._desc: dict[str, Any] = {**_DEFAULTS, **description}
        self._submissions: list[Submission] = []
        if job_id is not None:
            detail = self._connection(None).status(job_id)
            self._desc.update(detail.description)
            self._submissions.append(Submission(self._connection(None), detail))

    @classmethod
    def submitted(
        cls, konn: Kotta, description: Mapping[str, Any], submission: Submission
    ) -> KottaJob:
        """The job that `submission` is, described by `description`."""
        job = cls(konn, **description)
        job._submissions.append(submission)
        return job

    @property
    def desc(self) -> dict[str, Any]:
        """The description, as it will be submitted; assigning a dict updates it."""
        return self._desc

    @desc.setter
    def desc(self, fields: Mapping[str, Any]) -> None:
        self._desc.update(fields)

    @property
    def job_id(self) -> str | None:
        """Id of the latest submission, None before the first."""
        return self._submissions[-1].id if self._submissions else None

    @property
    def job_ids(self) -> list[str]:
        """Ids of all submissions, oldest first."""
        return [submission.id for submission in self._submissions]

    @property
    def jobname(self) -> str | None:
        """What a person calls it; without a name, what the service calls it, or its id."""
        latest = self._submissions[-1].latest if self._submissions else None
        return self._desc.get("jobname") or (latest.name if latest else None) or self.job_id

    @property
    def latest(self) -> Job | None:
        """The `Job` as it was last heard of, None before submission; asks nobody."""
        return self._submissions[-1].latest if self._submissions else None

    @property
    def submission(self) -> Submission:
        """The latest submission; what the rest of the library builds on."""
        if not self._submissions:
            raise RequestError("the job has not been submitted yet", hint="job.submit(konn)")
        return self._submissions[-1]

    @property
    def outputs(self) -> list[KOut]:
        """Its files but for stdout and stderr, in the order of the description.

        Those that are not there, or not yet, have no `url`.
        """
        if not self._submissions or not self._submissions[-1].is_done:
            return [KOut(name) for name in as_list(self._desc["outputs"])]
        detail = self._submissions[-1].detail()
        streams = (self._desc["output_file_stdout"], self._desc["output_file_stderr"])
        return [
            KOut(output_url(detail.id, output) or output.name, self._konn, s3_url=output.s3_url)
            for output in detail.outputs
            if output.name not in streams
        ]

    @property
    def STDOUT(self) -> str | None:  # noqa: N802 (the first library's name)
        """What it has written to stdout so far, None before submission."""
        return self._stream("stdout")

    @property
    def STDERR(self) -> str | None:  # noqa: N802 (the first library's name)
        """What it has written to stderr so far, None before submission."""
        return self._stream("stderr")

    def add_inputs(
        self, inputs: str | PathLike[str] | Iterable[str | PathLike[str]] | None
    ) -> None:
        """Adds URLs or local paths to the inputs of the next submission."""
        self._desc["inputs"] = [*as_list(self._desc["inputs"]), *as_list(inputs)]

    def add_outputs(self, outputs: str | Iterable[str] | None) -> None:
        """Adds names of files to keep to the next submission."""
        self._desc["outputs"] = [*as_list(self._desc["outputs"]), *as_list(outputs)]

    def submit(self, konn: Kotta | None = None) -> bool:
        """Submits it; submitted again, it becomes another job, and `job_ids` keeps the earlier.

        Returns:
            True: it is on the service's disk.

        Raises:
            DescriptionError: the description cannot be accepted; `problems` says why.
        """
        found = self._connection(konn)
        self._submissions.append(Submission(found, found.submit(self._desc)))
        return True

    def status(self, konn: Kotta | None = None) -> str:
        """One of `unsubmitted`, `pending`, `staging_inputs`, `processing`, `staging_outputs`,
        `completed`, `failed`, `cancelled`; asks the service unless the job has ended.
        """  # fmt: skip
        if not self._submissions:
            return JobState.UNSUBMITTED.value
        self._connection(konn)
        if not self.submission.is_done:
            self.submission.refresh()
        return self.submission.latest.status.value

    def detail(self) -> JobDetail:
        """Everything the service knows of it: times (UTC), seconds spent, outputs, its end."""
        return self.submission.detail()

    def wait(
        self,
        konn: Kotta | None = None,
        maxwait: float | None = 600,
        sleep: float = 2,
        silent: bool = True,
    ) -> str | bool:
        """Waits for its end, and returns as soon as that has come.

        Args:
            maxwait: seconds; None: however long it takes.
            sleep: has no meaning any more: nothing is polled.
            silent: False draws a line on stderr that says how far it is.

        Returns:
            Its final status, or False if it has not ended after `maxwait` seconds; it goes on.
        """
        self._connection(konn)
        if silent:
            return self.submission.wait(maxwait) and self.submission.latest.status.value
        from kotta.progress import ProgressLine

        started = time.monotonic()
        with ProgressLine() as line:
            while True:
                waited = time.monotonic() - started
                line.show(self.submission.latest, waited)
                remaining = TICK_SECONDS if maxwait is None else min(TICK_SECONDS, maxwait - waited)
                if self.submission.wait(max(0.0, remaining)):
                    line.show(self.submission.latest, time.monotonic() - started)
                    return self.submission.latest.status.value
                if remaining < TICK_SECONDS:
                    return False

    def cancel(self, konn: Kotta | None = None) -> bool:
        """Asks for its end: pending, it is cancelled on return, running, soon after.

        Returns:
            True; False if it had ended by itself already.
        """
        self._connection(konn)
        try:
            self.submission.note(self.submission.konn.cancel(self.submission.id), None)
        except ConflictError:
            return self.submission.refresh().status is JobState.CANCELLED
        return True

    def get_results(self, konn: Kotta | None = None) -> Any:
        """What its function returned; None, with a warning in the log, before its end.

        Raises:
            JobFailedError, Exception: as in `result`.
        """
        self.status(konn)
        if not self._submissions or not self.submission.is_done:
            import logging

            logging.getLogger(__name__).warning("job %s has no results yet", self.job_id)
            return None
        return self.result()

    def result(self, timeout: float | None = None) -> Any:
        """What its function returned, once it has ended; None for a script.

        Args:
            timeout: seconds; None: however long it takes.

        Raises:
            WaitTimeoutError: it has not ended in time (a TimeoutError); it goes on.
            JobFailedError: it did not end well; see its subclasses in `kotta.errors`.
            UntrustedPickleError, UnpicklableError, TransferError: its value cannot be opened.
            Exception: whatever the function raised, with `remote_traceback`, `stderr` and `job_id`.
        """
        return self.submission.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `result` would raise, None if it would return; WaitTimeoutError as there."""
        return self.submission.outcome(timeout)[1]

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return bool(self._submissions) and self.submission.wait(0)

    def cancelled(self) -> bool:
        """Whether it has ended by being cancelled."""
        return self.done() and self.submission.latest.status is JobState.CANCELLED

    def running(self) -> bool:
        """Whether it has been started and not ended."""
        return self.status() not in ("unsubmitted", "pending") and not self.done()

    def add_done_callback(self, function: Callable[[KottaJob], object]) -> None:
        """Calls `function(job)` once it has ended, at once if it has, else from another thread."""
        self.submission.on_end(lambda _: (function(self), None)[1], may_wait=True)

    @property
    def future(self) -> Future[Any]:
        """A `concurrent.futures.Future` of its result, for `as_completed` and `wait`."""
        from kotta.executor import KottaFuture

        return KottaFuture.of(self)

    def __await__(self) -> Generator[Any, None, Any]:
        """In a coroutine: `await job` is `job.result()`, and blocks nobody."""
        return asyncio.wrap_future(self.future).__await__()

    def __deepcopy__(self, memo: dict[int, Any]) -> KottaJob:
        copied = type(self)(self._konn)
        memo[id(self)] = copied
        copied._desc = copy.deepcopy(self._desc, memo)
        # the submitted jobs are the service's: both objects speak of the same ones
        copied._submissions = list(self._submissions)
        return copied

    def __repr__(self) -> str:
        latest = self.latest
        name = f" {self.jobname!r}" if self.jobname else ""
        if latest is None:
            return f"<KottaJob{name} unsubmitted>"
        return f"<KottaJob{name} {latest.id} {latest.status.value}>"

    def _repr_html_(self) -> str:
        from kotta.notebook import card

        return card(self)

    def _connection(self, given: Kotta | None) -> Kotta:
        """The connection that was given, or the one that the job knows."""
        if given is not None:
            self._konn = given
        if self._konn is None:
            raise RequestError(
                "the job knows no connection yet", hint="give it one: job.submit(Kotta())"
            )
        return self._konn

    def _stream(self, name: str) -> str | None:
        if not self._submissions:
            return None
        content = b"".join(self.submission.konn.logs(self.submission.id, name))
        return content.decode("utf-8", "replace")
