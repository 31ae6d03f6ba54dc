"""What travels between a client and the service, as pydantic models.

Requests forbid unknown fields; replies ignore them, so that an old client reads a newer service.
No behaviour beyond validation belongs here. A job in short is at hand at once; all else is
imported when first used, for each model takes its time, and `kotta list` needs no other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kotta.models.job import ACTIVE_STATES, TERMINAL_STATES, Job, JobPage, JobState, Reason

if TYPE_CHECKING:
    from kotta.models.changes import Change, ChangePage
    from kotta.models.description import (
        DESCRIPTION_FIELDS,
        FunctionCall,
        JobDescription,
        known_field_near,
    )
    from kotta.models.detail import JobDetail, Output, Result, ResultError, Transition
    from kotta.models.queues import CheckedJob, CheckReply, ClusterWait, Place, Queue, QueuePage
    from kotta.models.service import (
        CancelReply,
        Problem,
        ProblemField,
        ServiceInfo,
        SharedJob,
        ShareReply,
        SubmitReply,
        UploadMissing,
    )
    from kotta.models.usage import Usage, UsageSample

__all__ = [
    "ACTIVE_STATES",
    "DESCRIPTION_FIELDS",
    "TERMINAL_STATES",
    "CancelReply",
    "Change",
    "ChangePage",
    "CheckReply",
    "CheckedJob",
    "ClusterWait",
    "FunctionCall",
    "Job",
    "JobDescription",
    "JobDetail",
    "JobPage",
    "JobState",
    "Output",
    "Place",
    "Problem",
    "ProblemField",
    "Queue",
    "QueuePage",
    "Reason",
    "Result",
    "ResultError",
    "ServiceInfo",
    "ShareReply",
    "SharedJob",
    "SubmitReply",
    "Transition",
    "UploadMissing",
    "Usage",
    "UsageSample",
    "known_field_near",
]

_HOMES = {
    **dict.fromkeys(("Change", "ChangePage"), "changes"),
    **dict.fromkeys(
        ("DESCRIPTION_FIELDS", "FunctionCall", "JobDescription", "known_field_near"), "description"
    ),
    **dict.fromkeys(("JobDetail", "Output", "Result", "ResultError", "Transition"), "detail"),
    **dict.fromkeys(
        ("CheckReply", "CheckedJob", "ClusterWait", "Place", "Queue", "QueuePage"), "queues"
    ),
    **dict.fromkeys(("Usage", "UsageSample"), "usage"),
}
"""Where those are that are imported when first used; the others, in `service`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kotta.models' has no attribute {name!r}")
    value = getattr(import_module(f"kotta.models.{_HOMES.get(name, 'service')}"), name)
    globals()[name] = value
    return value
