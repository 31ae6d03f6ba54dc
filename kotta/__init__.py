"""Run scripts on your own machine or on somebody else's.

``Kotta()`` connects to this user's local service, which starts by itself. Importing this package is
light: what needs httpx or pydantic is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kotta._version import __version__

if TYPE_CHECKING:
    from kotta.client import Kotta
    from kotta.errors import KottaError
    from kotta.models import Job, JobDescription, JobDetail, JobState, Output
    from kotta.transfers import FetchReport

__all__ = [
    "FetchReport",
    "Job",
    "JobDescription",
    "JobDetail",
    "JobState",
    "Kotta",
    "KottaError",
    "Output",
    "__version__",
]

_HOMES = {
    "FetchReport": "kotta.transfers",
    "Job": "kotta.models",
    "JobDescription": "kotta.models",
    "JobDetail": "kotta.models",
    "JobState": "kotta.models",
    "Kotta": "kotta.client",
    "KottaError": "kotta.errors",
    "Output": "kotta.models",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kotta' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
