"""Shapes of files that came or went."""

from __future__ import annotations

# pydantic reads no other before Python 3.12
from typing_extensions import TypedDict


class FetchResult(TypedDict):
    """Where a job's outputs are now.

    Attributes:
        job: the job's id.
        directory: absolute path of the folder.
        fetched: names of the files that came just now.
        already_there: names of the files that were there, and the same.
        unavailable: names of what was asked for and is not available.
    """

    job: str
    directory: str
    fetched: list[str]
    already_there: list[str]
    unavailable: list[str]


class CopiedFile(TypedDict):
    """An output, and the file that it is now.

    Attributes:
        job: the job's id.
        path: absolute path of the file.
    """

    job: str
    name: str
    path: str
    size_bytes: int
    sha256: str


class UploadedFile(TypedDict):
    """A local file, and what the service calls it.

    Attributes:
        file: its path, as it was given.
        url: what to write into a job's `inputs`.
        sent: false if the service had it already.
    """

    file: str
    url: str
    sha256: str
    size_bytes: int
    sent: bool


class PrintedFile(TypedDict):
    """An output and what is in it.

    Attributes:
        job: the job's id.
        text: what is in it; null if that is no UTF-8.
        base64: the same as base64 (RFC 4648), where it is no UTF-8; else null.
    """

    job: str
    name: str
    size_bytes: int
    sha256: str
    text: str | None
    base64: str | None
