"""What travels between a client and the service, as pydantic models.

Requests forbid unknown fields; replies ignore them, so that an old client reads a newer service.
No behaviour beyond validation belongs here. What a client that only reads replies need not
pay for is imported when first used: descriptions, and requests (`kotta.models.requests`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kotta.models.job import (
    ACTIVE_STATES,
    TERMINAL_STATES,
    Job,
    JobDetail,
    JobPage,
    JobState,
    Output,
    Reason,
    Result,
    ResultError,
    Transition,
)
from kotta.models.service import (
    CancelReply,
    Change,
    ChangePage,
    CheckedJob,
    CheckReply,
    Place,
    Problem,
    ProblemField,
    Queue,
    QueuePage,
    ServiceInfo,
    SharedJob,
    ShareReply,
    SubmitReply,
    UploadMissing,
)
from kotta.models.usage import Usage, UsageSample

if TYPE_CHECKING:
    from kotta.models.description import (
        DESCRIPTION_FIELDS,
        FunctionCall,
        JobDescription,
        known_field_near,
    )

__all__ = [
    "ACTIVE_STATES",
    "DESCRIPTION_FIELDS",
    "TERMINAL_STATES",
    "CancelReply",
    "Change",
    "ChangePage",
    "CheckReply",
    "CheckedJob",
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

_OF_DESCRIPTION = ("DESCRIPTION_FIELDS", "FunctionCall", "JobDescription", "known_field_near")


def __getattr__(name: str) -> Any:
    if name not in _OF_DESCRIPTION:
        raise AttributeError(f"module 'kotta.models' has no attribute {name!r}")
    from kotta.models import description

    return getattr(description, name)
