"""What administrators are told of a service's upkeep."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from kotta.models.many import Many


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Defect(_Reply):
    """Something that a check has found.

    Attributes:
        kind: `broken`: a promise is; `leftover`: a file that nobody refers to any more.
        subject: the job's id, or the path of the file or folder.
        words: what is wrong with it.
    """

    kind: Literal["broken", "leftover"]
    subject: str
    words: str


class CheckReport(_Reply):
    """What was looked at, and what was found.

    Attributes:
        jobs: how many.
        outputs: files that jobs have made and that are kept.
        uploads: contents that were uploaded.
        read_bytes: what was read of them, and compared with its SHA-256.
        defects: what was found, the broken first; at most 1,000 of each kind.
        broken: how many promises are broken.
        leftovers: how many files or folders nobody refers to.
    """

    jobs: int
    outputs: int
    uploads: int
    read_bytes: int
    broken: int
    leftovers: int
    defects: Many[Defect]


class PruneReport(_Reply):
    """What was forgotten, or would be.

    Attributes:
        dry_run: nothing was.
        jobs: with their outputs, streams and history.
        uploads: that no job refers to which stays.
        leftovers: files and folders that nobody referred to, and Python environments that nobody
            used.
        freed_bytes: what outputs and uploads of those held.
        kept_as_needed: jobs and uploads old enough that stay, as what stays refers to them.
    """

    dry_run: bool
    jobs: int
    uploads: int
    leftovers: int
    freed_bytes: int
    kept_as_needed: int


class Lifecycle(_Reply):
    """What a bucket does, or would do, with what grows old.

    Attributes:
        bucket: its name.
        applied: it has these rules now.
        policy: as `aws s3api put-bucket-lifecycle-configuration` takes it.
    """

    bucket: str
    applied: bool
    policy: dict[str, Any]
