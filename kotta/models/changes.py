"""The change feed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from kotta.models.detail import Result
from kotta.models.job import Job
from kotta.models.many import Many


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Change(_Reply):
    """A job as it is after one change; with its result, if results were asked for."""

    number: int
    job: Job
    result: Result | None = None


class ChangePage(_Reply):
    """What changed after the number that was asked about, oldest first.

    A job that changed several times appears once, as it is now.

    Attributes:
        last: ask for what comes after this number next.
    """

    changes: Many[Change]
    last: int
