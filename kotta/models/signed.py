"""How files go straight to S3: signed URLs that a service gives, and what it is told afterwards."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
UploadId = Annotated[str, StringConstraints(max_length=2048)]
ETag = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Size = Annotated[int, Field(ge=0, lt=1 << 63)]
MAX_PARTS = 10_000


class UploadStart(BaseModel):
    """Where may these bytes be sent?

    Attributes:
        upload_id: of an upload in parts that was begun before; "" begins one.
        first_part: the first part that is to be sent.
    """

    model_config = ConfigDict(extra="forbid")

    size_bytes: Size
    upload_id: UploadId = ""
    first_part: Annotated[int, Field(ge=1, le=MAX_PARTS)] = 1


class UploadFinish(BaseModel):
    """They have been sent.

    Attributes:
        parts: what S3 said of each part (`ETag`), in order; none where it went as a whole.
    """

    model_config = ConfigDict(extra="forbid")

    size_bytes: Size
    upload_id: UploadId = ""
    parts: list[ETag] = Field(default_factory=list, max_length=MAX_PARTS)


class SignedUpload(BaseModel):
    """Where a file's bytes are to be PUT, past the service.

    Attributes:
        upload_id: of an upload in parts; "": the file goes as a whole to the only URL.
        part_bytes: how much each part holds, but for the last; the file's size without parts.
        first_part: which part the first URL is for.
        urls: of as many parts as one gets URLs for at once.
        headers: what has to be sent along, neither more nor less of what begins with `x-amz-`.
        seconds: for how long the URLs count; then ask again.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    upload_id: str = ""
    part_bytes: int
    first_part: int = 1
    urls: list[str]
    headers: dict[str, str]
    seconds: int


class SignedFiles(BaseModel):
    """Where files can be read, in the order they were asked for."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    urls: list[str]
    seconds: int
