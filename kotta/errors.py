"""Every error that Kotta raises, on one tree; the class says what the caller may do.

::

    KottaError
    ├── RequestError            fix the request, then repeat it
    │   ├── DescriptionError    the job's description is wrong; `problems` says where
    │   ├── NotFoundError       no such job, file or queue (or not yours)
    │   ├── AmbiguousError      the name fits several jobs; `candidates` lists them
    │   ├── ConflictError       what is there already forbids it
    │   └── ConfigError         a setting, profile or path of this user is wrong
    ├── LoginRequiredError      log in, then repeat it
    ├── UnavailableError        nothing is wrong with the request: repeat it later
    │   ├── ServiceStartError   the local service could not start; the message says why
    │   ├── ConnectionFailedError  no answer from the service
    │   ├── StorageFullError    the service's disk is full; nothing was accepted
    │   └── WaitTimeoutError    it did not end within the time asked for
    ├── TransferError           a file did not arrive as it was sent
    └── ServiceFaultError       Kotta's own fault; report it with its request id

What belongs here: classes and the words they carry. What does not: how one is shown
(`kotta_cli.main`) or which HTTP answer becomes which class (`kotta.api`).
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
    """

    pointer: str
    detail: str
    hint: str = ""
    line: int | None = None
    column: int | None = None

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


class LoginRequiredError(KottaError):
    """The service does not know who asks."""

    code = "login_required"


class UnavailableError(KottaError):
    """The request may be right, but cannot be carried out now; it is safe to repeat."""

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


class WaitTimeoutError(UnavailableError):
    """What was waited for did not happen in the time allowed; it goes on."""

    code = "timeout"


class TransferError(KottaError):
    """A file did not arrive as it was sent; what was there before is untouched."""

    code = "transfer"


class ServiceFaultError(KottaError):
    """The service failed in a way it should not; the request may or may not be done."""

    code = "service_fault"
