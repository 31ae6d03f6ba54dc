"""What travels between a client and the service, as pydantic models.

Requests forbid unknown fields; replies ignore them, so that an old client reads a newer service.
No behaviour beyond validation belongs here. Requests lie in `kotta.models.requests`, apart because
they are built at import, which a client that only reads replies need not pay for.
"""

from __future__ import annotations

from kotta.models.description import (
    DESCRIPTION_FIELDS,
    FunctionCall,
    JobDescription,
    known_field_near,
)
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
    Change,
    ChangePage,
    Problem,
    ProblemField,
    Queue,
    QueuePage,
    ServiceInfo,
    SubmitReply,
    UploadMissing,
)

__all__ = [
    "ACTIVE_STATES",
    "DESCRIPTION_FIELDS",
    "TERMINAL_STATES",
    "Change",
    "ChangePage",
    "FunctionCall",
    "Job",
    "JobDescription",
    "JobDetail",
    "JobPage",
    "JobState",
    "Output",
    "Problem",
    "ProblemField",
    "Queue",
    "QueuePage",
    "Reason",
    "Result",
    "ResultError",
    "ServiceInfo",
    "SubmitReply",
    "Transition",
    "UploadMissing",
    "known_field_near",
]
