"""Run scripts and Python functions on your own machine or on somebody else's.

``Kotta()`` connects to this user's local service, which starts by itself. Importing this package is
light: what needs httpx or pydantic is imported when it is first used.
"""

from __future__ import annotations

from kotta._version import __version__

# typing takes longer to import than all of this; type checkers know the name without it
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kotta.client import Kotta
    from kotta.errors import (
        AmbiguousError,
        ConfigError,
        ConflictError,
        ConnectionFailedError,
        DescriptionError,
        ForbiddenError,
        JobCancelledError,
        JobFailedError,
        JobLostError,
        KottaError,
        LimitExceededError,
        LoginRequiredError,
        MissingPackageError,
        NotFoundError,
        PythonVersionError,
        QuotaError,
        RemoteError,
        RequestError,
        ServiceFaultError,
        ServiceStartError,
        StagingFailedError,
        StorageFullError,
        TransferError,
        UnavailableError,
        UnpicklableError,
        UntrustedPickleError,
        WaitTimeoutError,
        WalltimeExceededError,
    )
    from kotta.executor import KottaExecutor
    from kotta.functions import KottaFn, kottajob
    from kotta.job import KottaJob
    from kotta.log import set_stream_logger
    from kotta.models import Job, JobDescription, JobDetail, JobState, Output, Usage, UsageSample
    from kotta.outputs import KOut
    from kotta.transfers import FetchReport, VerifyReport
    from kotta.uploads import Upload

__all__ = [
    "AmbiguousError",
    "ConfigError",
    "ConflictError",
    "ConnectionFailedError",
    "DescriptionError",
    "FetchReport",
    "ForbiddenError",
    "Job",
    "JobCancelledError",
    "JobDescription",
    "JobDetail",
    "JobFailedError",
    "JobLostError",
    "JobState",
    "KOut",
    "Kotta",
    "KottaError",
    "KottaExecutor",
    "KottaFn",
    "KottaJob",
    "LimitExceededError",
    "LoginRequiredError",
    "MissingPackageError",
    "NotFoundError",
    "Output",
    "PythonVersionError",
    "QuotaError",
    "RemoteError",
    "RequestError",
    "ServiceFaultError",
    "ServiceStartError",
    "StagingFailedError",
    "StorageFullError",
    "TransferError",
    "UnavailableError",
    "UnpicklableError",
    "UntrustedPickleError",
    "Upload",
    "Usage",
    "UsageSample",
    "VerifyReport",
    "WaitTimeoutError",
    "WalltimeExceededError",
    "__version__",
    "kottajob",
    "set_stream_logger",
]

_HOMES = {
    "FetchReport": "kotta.transfers",
    "Job": "kotta.models",
    "JobDescription": "kotta.models",
    "JobDetail": "kotta.models",
    "JobState": "kotta.models",
    "KOut": "kotta.outputs",
    "Kotta": "kotta.client",
    "KottaExecutor": "kotta.executor",
    "KottaFn": "kotta.functions",
    "KottaJob": "kotta.job",
    "Output": "kotta.models",
    "Upload": "kotta.uploads",
    "Usage": "kotta.models",
    "UsageSample": "kotta.models",
    "VerifyReport": "kotta.transfers",
    "kottajob": "kotta.functions",
    "set_stream_logger": "kotta.log",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kotta' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES.get(name, "kotta.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
