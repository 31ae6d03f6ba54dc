"""Bodies of requests. Unlike replies they are built at once: FastAPI wants that of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kotta.models.description import JobDescription

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SubmitRequest(BaseModel):
    """One job or many; either all of them are accepted or none."""

    model_config = ConfigDict(extra="forbid")

    jobs: list[JobDescription] = Field(min_length=1, max_length=10_000)


class CancelRequest(BaseModel):
    """Which jobs to end, by their full ids."""

    model_config = ConfigDict(extra="forbid")

    jobs: list[Annotated[str, StringConstraints(max_length=36)]] = Field(
        min_length=1, max_length=10_000
    )


class UploadCheck(BaseModel):
    """Which of these contents does the service lack?"""

    model_config = ConfigDict(extra="forbid")

    sha256: list[Sha256] = Field(max_length=10_000)
