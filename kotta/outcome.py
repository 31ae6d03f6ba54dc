"""What an ended job comes to: its value, or the error that says why there is none.

Belongs here: which end becomes which exception, and what it carries along. Does not: waiting for
the end (`kotta.submission`), or how bytes become values (`kotta.serialization`).
"""

from __future__ import annotations

import contextlib
import mmap
from typing import TYPE_CHECKING, Any

from kotta.errors import (
    JobCancelledError,
    JobFailedError,
    JobLostError,
    KottaError,
    LimitExceededError,
    MissingPackageError,
    PythonVersionError,
    RemoteError,
    StagingFailedError,
    TransferError,
    UnpicklableError,
    WalltimeExceededError,
)
from kotta.models import JobDetail, JobState, Reason, Result, ResultError
from kotta.serialization import check_trust, open_exception, open_value

if TYPE_CHECKING:
    from kotta.client import Kotta

STDERR_BYTES = 16 << 10
STDERR_LINES = 10


def value_of(konn: Kotta, job_id: str, result: Result) -> Any:
    """The value that a call returned.

    Raises:
        TransferError, UntrustedPickleError, UnpicklableError: see `kotta.serialization.open_value`.
    """
    return open_value(
        result,
        lambda name: _read_output(konn, job_id, name, result.size_bytes),
        konn.trusts_pickles,
    )


def failure_of(konn: Kotta, job: JobDetail) -> BaseException:
    """Why an ended job has no value: the function's own exception, or one of ours."""
    error = job.result.error if job.result is not None else None
    lines = _last_lines(konn, job)
    if error is not None:
        return _call_failure(konn, job, error, _without(lines, error.traceback))
    kind, message, hint = _end(job)
    return kind(message, job_id=job.id, stderr=lines, hint=hint)


def _end(job: JobDetail) -> tuple[type[JobFailedError], str, str]:
    """Class, message and hint for a job that ended without a word from its function."""
    named = f"job {job.id} ({job.name})"
    look = f"kotta logs {job.id} --stderr"
    if job.status is JobState.CANCELLED:
        return JobCancelledError, f"{named} was cancelled", "submit it again to run it"
    if job.reason is Reason.WALLTIME:
        minutes = job.walltime_seconds / 60
        return (
            WalltimeExceededError,
            f"{named} ran longer than its walltime of {minutes:g} min, and was ended",
            "give it a longer walltime (in minutes)",
        )
    if job.reason in (Reason.MEMORY, Reason.LIMIT):
        return LimitExceededError, f"{named} was ended: {job.error}", (
            "ask for more memory (in MiB)" if job.reason is Reason.MEMORY else look
        )  # fmt: skip
    if job.reason is Reason.LOST:
        return JobLostError, f"{named} was lost: {job.error or 'its runner is gone'}", (
            "submit it again, or let that happen by itself: retries=1"
        )  # fmt: skip
    if job.reason is Reason.STAGING:
        return StagingFailedError, f"{named} could not be staged: {job.error}", (
            "check its inputs, outputs and requirements"
        )  # fmt: skip
    if job.signal is not None:
        return RemoteError, f"{named} was ended by signal {job.signal}", look
    said = f": {job.error}" if job.error else ""
    return RemoteError, f"{named} ended with exit code {job.exit_code}{said}", look


def _call_failure(konn: Kotta, job: JobDetail, error: ResultError, stderr: str) -> BaseException:
    if error.kind == "python_version":
        return PythonVersionError(
            error.message, hint="use the same minor version of Python on both sides"
        )
    if error.kind == "unpicklable_result":
        return UnpicklableError(error.message, hint="return what it is made from instead")
    if error.kind == "unreadable_call":
        return UnpicklableError(
            f"the call could not be unpickled where it runs: {error.type}: {error.message}",
            hint="the packages that it needs must have the same versions on both sides",
        )
    if error.kind == "unreadable_result":
        # the job may have completed, or failed for a reason of its own
        return RemoteError(
            f"job {job.id} ({job.name}): {job.error or error.message}",
            job_id=job.id,
            stderr=stderr,
            hint=f"kotta status {job.id}",
        )
    carried: dict[str, Any] = {
        "job_id": job.id,
        "stderr": stderr,
        "remote_traceback": error.traceback,
    }
    if error.kind == "missing_package":
        return _noted(
            MissingPackageError(
                f"{error.message}, where job {job.id} ran",
                hint="name the package in requirements=; a module of your own that lies beside "
                "your program travels along after cloudpickle.register_pickle_by_value(module)",
                **carried,
            )
        )
    found = None
    with contextlib.suppress(KottaError):
        check_trust(konn.trusts_pickles)
        found = open_exception(error.exception)
    if found is None:
        name = error.type.removeprefix("builtins.")
        found = RemoteError(
            f"{name}: {error.message}" if error.message else name,
            hint=f"kotta logs {job.id} --stderr",
            **carried,
        )
    for name, value in carried.items():
        # an exception with slots has no room for them; its notes say the same
        with contextlib.suppress(AttributeError, TypeError):
            setattr(found, name, value)
    return _noted(found, error.traceback, stderr, job.id)


def _noted(
    exception: BaseException, traceback: str = "", stderr: str = "", job_id: str = ""
) -> BaseException:
    """The exception with notes, which tracebacks print since Python 3.11."""
    if isinstance(exception, JobFailedError):
        traceback, stderr = exception.remote_traceback, exception.stderr
        job_id = exception.job_id
    notes = list(getattr(exception, "__notes__", []))
    if traceback:
        notes.append(f"\nIn job {job_id}:\n{traceback.rstrip()}")
    if stderr:
        notes.append(f"\nLast lines of its stderr:\n{stderr}")
    # Python 3.10 has no add_note; the attribute is the same
    with contextlib.suppress(AttributeError, TypeError):
        exception.__notes__ = notes
    return exception


def _last_lines(konn: Kotta, job: JobDetail) -> str:
    size = max(
        (item.size_bytes or 0 for item in job.outputs if item.name == _stderr(job)), default=0
    )
    try:
        chunk = konn.api.log(job.id, "stderr", max(0, size - STDERR_BYTES))
    except KottaError:
        return ""  # the failure itself is worth more than its last words
    return chunk.content.decode("utf-8", "replace").rstrip("\n")


def _stderr(job: JobDetail) -> str:
    return str(job.description.get("output_file_stderr", "STDERR.txt"))


def _without(lines: str, traceback: str) -> str:
    """The lines but for the traceback at their end, which is told apart from them."""
    return "\n".join(
        lines.removesuffix(traceback.rstrip("\n")).rstrip().splitlines()[-STDERR_LINES:]
    )


def _read_output(konn: Kotta, job_id: str, name: str, size_bytes: int) -> memoryview:
    """The bytes of an output; those of the local service's are its file's, copied when changed."""
    folder = konn.api.output_folder(job_id, [name])
    if folder is not None and size_bytes:
        with open(folder / name, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    content, done = _room(size_bytes), 0
    with konn.api.output(job_id, name) as (_, chunks):
        for chunk in chunks:
            # a service that sends more than it said is found out by the size that results
            content[done : done + len(chunk)] = chunk
            done += len(chunk)
            if done > size_bytes:
                break
    return memoryview(content)[:done]


def _room(size_bytes: int) -> bytearray:
    """So many bytes, which the system gives when they are written to."""
    try:
        return bytearray(size_bytes)
    except (MemoryError, OverflowError, ValueError) as error:
        raise TransferError(
            f"the result has {size_bytes} bytes, which is more than fits here"
        ) from error
