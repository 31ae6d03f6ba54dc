"""Bodies of requests. Unlike replies they are built at once: FastAPI wants that of them."""

from __future__ import annotations

from typing import Annotated, Literal

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


class ShareRequest(BaseModel):
    """Whom to let see jobs, by their full ids.

    Attributes:
        readers: names of users, `*` for everybody who may log in.
        replace: nobody else may see them any more; else whoever may already still may.
    """

    model_config = ConfigDict(extra="forbid")

    jobs: list[Annotated[str, StringConstraints(max_length=36)]] = Field(
        min_length=1, max_length=10_000
    )
    readers: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        max_length=100
    )
    replace: bool = False


class UploadCheck(BaseModel):
    """Which of these contents does the service lack?"""

    model_config = ConfigDict(extra="forbid")

    sha256: list[Sha256] = Field(max_length=10_000)


class OutputsWanted(BaseModel):
    """Names of outputs whose bytes are wanted, in this order."""

    model_config = ConfigDict(extra="forbid")

    names: list[Annotated[str, StringConstraints(max_length=255)]] = Field(
        min_length=1, max_length=1_000
    )


class NewUser(BaseModel):
    """Somebody who is to be able to log in."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    email: Annotated[str, StringConstraints(min_length=3, max_length=320)]
    role: Literal["user", "admin"] = "user"


class UserChange(BaseModel):
    """What is to change about a user; what is left out stays.

    Attributes:
        limits: by name; a name that is left out has what everybody has.
    """

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "admin"] = "user"
    disabled: bool = False
    limits: dict[
        Literal["queued", "running", "cores", "storage_mib"], Annotated[int, Field(ge=0)]
    ] = Field(default_factory=dict)


class CheckRequest(BaseModel):
    """How closely to look at what a service keeps.

    Attributes:
        contents: read every file and compare it with its SHA-256, which takes as long as reading
            all of them does; else their sizes count.
    """

    model_config = ConfigDict(extra="forbid")

    contents: bool = False


class PruneRequest(BaseModel):
    """What a service may forget; where nothing is said, what its settings say.

    Attributes:
        older_than_seconds: jobs that ended, and uploads that came, so long ago.
        storage_mib: what is kept may hold so much; of more, the oldest go.
        dry_run: forget nothing, tell what would be.
    """

    model_config = ConfigDict(extra="forbid")

    older_than_seconds: Annotated[float, Field(ge=0, lt=1e10)] | None = None
    storage_mib: Annotated[int, Field(ge=0, lt=1 << 40)] | None = None
    dry_run: bool = False


class LifecycleRequest(BaseModel):
    """What S3 is to do with what grows old.

    Attributes:
        infrequent_after_days: outputs go to infrequent access so long after they came; 0: never.
        archive_after_days: the same to an archive.
        archive_class: which one; what lies in `GLACIER_IR` can still be fetched at once.
        abort_after_days: uploads in parts that were not finished are removed so long after.
        apply: give these rules to the bucket, rather than only tell them.
    """

    model_config = ConfigDict(extra="forbid")

    infrequent_after_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    archive_after_days: Annotated[int, Field(ge=0, le=36_500)] = 180
    archive_class: Literal["GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"] = "GLACIER"
    abort_after_days: Annotated[int, Field(ge=1, le=36_500)] = 7
    apply: bool = False


class NewToken(BaseModel):
    """A token for scripts.

    Attributes:
        label: what it is called in lists.
        scopes: what it is to be good for; at most what the caller's own token is good for.
        expires_in_seconds: None for never.
    """

    model_config = ConfigDict(extra="forbid")

    label: Annotated[
        str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")
    ]
    scopes: list[Literal["read", "write", "admin"]] = Field(min_length=1, max_length=3)
    expires_in_seconds: Annotated[int, Field(ge=1, le=100 * 366 * 24 * 3600)] | None = None
