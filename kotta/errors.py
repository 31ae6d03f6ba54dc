"""Every error that Kotta raises, on one tree; the class says what the caller may do.

::

    KottaError
    ├── RequestError            fix the request, then repeat it
    │   ├── DescriptionError    the job's description is wrong; `problems` says where
    │   ├── NotFoundError       no such job, file or queue (or not yours)
    │   ├── AmbiguousError      the name fits several jobs; `candidates` lists them
    │   ├── ConflictError       what is there already forbids it
    │   ├── ConfigError         a setting, profile or path of this user is wrong
    │   ├── PythonVersionError  a function's call needs the service's minor version of Python
    │   ├── UnpicklableError    a function, its argument or its result cannot be pickled
    │   └── UntrustedPickleError  a result is a pickle, and its service is not trusted with one
    ├── LoginRequiredError      log in, then repeat it
    ├── ForbiddenError          ask somebody who may, or for a token that is good for it
    │   └── QuotaError          this user has as much as one may have; the message says of what
    ├── UnavailableError        nothing is wrong with the request: repeat it later
    │   ├── ServiceStartError   the local service could not start; the message says why
    │   ├── ConnectionFailedError  no answer from the service
    │   ├── StorageFullError    the service's disk is full; nothing was accepted
    │   └── WaitTimeoutError    it did not end within the time asked for
    ├── JobFailedError          a job ended without success; `job_id` and `stderr` say more
    │   ├── RemoteError         its function raised, or its command exited with an error
    │   ├── MissingPackageError its function needs a package that is not there
    │   ├── WalltimeExceededError  it ran longer than it may
    │   ├── LimitExceededError     it used more memory, processes or room than it may
    │   ├── JobCancelledError   somebody cancelled it
    │   ├── JobLostError        what ran it is gone; submit it again
    │   └── StagingFailedError  an input could not be brought, or `requirements` be installed
    ├── TransferError           a file did not arrive as it was sent
    └── ServiceFaultError       Kotta's own fault; report it with its request id

What belongs here: classes and the words they carry. What does not: how one is shown
(`kotta_cli.main`), which HTTP answer becomes which class (`kotta.api`), or which end of a job does
(`kotta.outcome`). What a function raised itself is none of these: it is raised here as what it is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """One thing that is wrong with one field of a request.

    Attributes:
        pointer: JSON Pointer (RFC 6901) of the field, "" for the whole document.
        detail: what is wrong, in a sentence without the field's name.
        hint: what to write instead, or "" when `detail` says it already.
        line: 1-based line in the source text, None where there is no text.
        column: 1-based column in the source text, None where there is no text.
        source: what it was said by, where that is not the error's own text: an option, a file.
        excerpt: with `source`, the line of that file.
    """

    pointer: str
    detail: str
    hint: str = ""
    line: int | None = None
    column: int | None = None
    source: str = ""
    excerpt: str | None = None

    @property
    def field(self) -> str:
        """The name a person calls the field by, such as `walltime` or `inputs[2]`."""
        parts = [part.replace("~1", "/").replace("~0", "~") for part in self.pointer.split("/")[1:]]
        name = ""
        for part in parts:
            name += f"[{part}]" if part.isdigit() else f".{part}" if name else part
        return name


class KottaError(Exception):
    """Root of everything that Kotta raises.

    Attributes:
        code: stable, machine-readable name of the kind of failure.
        hint: what to do or type next, or "".
        request_id: the service's name for the request, or None when none was made.
    """

    code = "error"

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.request_id = request_id


class RequestError(KottaError):
    """The request cannot be carried out as it is; repeating it changes nothing."""

    code = "bad_request"


class DescriptionError(RequestError):
    """A job's description is wrong.

    Attributes:
        problems: every problem found, in the order of the text.
        source: name of the file that was read, or "".
        text: the text that was read, or "" where there was none.
    """

    code = "bad_description"

    def __init__(
        self,
        message: str,
        *,
        problems: tuple[FieldProblem, ...] = (),
        source: str = "",
        text: str = "",
        hint: str = "",
        code: str = "",
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, request_id=request_id)
        self.problems = problems
        self.source = source
        self.text = text

    def __str__(self) -> str:
        more = []
        for each in self.problems[:5]:
            words = f"{each.field} {each.detail}".strip()
            if words not in self.message:
                more.append(f"{words} ({each.hint})" if each.hint else words)
        return "; ".join([self.message, *more])


class NotFoundError(RequestError):
    """There is no such thing here, or it belongs to somebody else."""

    code = "not_found"


class AmbiguousError(RequestError):
    """Several jobs fit.

    Attributes:
        candidates: (job id, name, status) of those that fit, newest first.
    """

    code = "ambiguous"

    def __init__(
        self, message: str, *, candidates: tuple[tuple[str, str, str], ...], hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class ConflictError(RequestError):
    """What is there already forbids the request."""

    code = "conflict"


class ConfigError(RequestError):
    """A setting, a profile or a folder of this user cannot be used as it is."""

    code = "config"


class PythonVersionError(RequestError):
    """A function's call was made by another minor version of Python than the one that runs it."""

    code = "python_version"


class UnpicklableError(RequestError):
    """A function, an argument or a result cannot be pickled, or not be unpickled again."""

    code = "unpicklable"


class UntrustedPickleError(RequestError):
    """A result is a pickle, which can run any code when it is opened: it was left closed."""

    code = "untrusted_pickle"


class LoginRequiredError(KottaError):
    """The service does not know who asks."""

    code = "login_required"


class ForbiddenError(KottaError):
    """The service knows who asks, and they may not do this."""

    code = "forbidden"


class _LaterError(KottaError):
    """It may be worth asking again.

    Attributes:
        retry_after_seconds: when; None if nobody said so.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        request_id: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds


class QuotaError(_LaterError, ForbiddenError):
    """It would be more than one user may have; the message says of what, and how much is left.

    Attributes:
        retry_after_seconds: when it may be worth asking again, None if time does not help.
    """

    code = "quota"


class UnavailableError(_LaterError):
    """The request may be right, but cannot be carried out now; it is safe to repeat.

    Attributes:
        retry_after_seconds: when it is worth asking again, None if nobody said so.
    """

    code = "unavailable"


class ServiceStartError(UnavailableError):
    """The local service could not be started."""

    code = "service_start"


class ConnectionFailedError(UnavailableError):
    """The service did not answer."""

    code = "connection_failed"


class StorageFullError(UnavailableError):
    """The service has no room left; nothing of the request was kept."""

    code = "storage_full"


class WaitTimeoutError(UnavailableError, TimeoutError):
    """What was waited for did not happen in the time allowed; it goes on."""

    code = "timeout"


class JobFailedError(KottaError):
    """A job ended without success.

    Attributes:
        job_id: which one.
        stderr: the last lines of its standard error, "" if there are none.
        remote_traceback: where its function raised, as Python prints it, or "".
    """

    code = "job_failed"

    def __init__(
        self,
        message: str,
        *,
        job_id: str = "",
        stderr: str = "",
        remote_traceback: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.job_id = job_id
        self.stderr = stderr
        self.remote_traceback = remote_traceback


class RemoteError(JobFailedError):
    """A function raised what cannot be raised here, or a command exited with an error."""

    code = "remote"


class MissingPackageError(JobFailedError):
    """A function needs a package that is not installed where it runs."""

    code = "missing_package"


class WalltimeExceededError(JobFailedError):
    """A job ran longer than its walltime, and was ended."""

    code = "walltime"


class LimitExceededError(JobFailedError):
    """A job used more memory, processes or room for outputs than it may, and was ended."""

    code = "quota"


class JobCancelledError(JobFailedError):
    """Somebody cancelled the job."""

    code = "cancelled"


class JobLostError(JobFailedError):
    """What ran the job is gone without a word: a killed runner, a node that went down."""

    code = "lost"


class StagingFailedError(JobFailedError):
    """An input or an environment could not be brought, or an output not be kept."""

    code = "staging"


class TransferError(KottaError):
    """A file did not arrive as it was sent; what was there before is untouched."""

    code = "transfer"


class ServiceFaultError(KottaError):
    """The service failed in a way it should not; the request may or may not be done."""

    code = "service_fault"
