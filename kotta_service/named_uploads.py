"""Uploads by name: how the first clients say which of their files is an input.

They put a file in a bucket, and call it `s3://<bucket>/uploads/<user>/<name>` from then on. Here
such a name stands for contents; a job takes those that it stands for when the job is submitted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import Connection

from kotta.errors import DescriptionError, FieldProblem
from kotta.models.problems import pointer
from kotta_service.store import uploads
from kotta_service.submission import Wanted

# Source: the path-style endpoints of S3, such as s3.amazonaws.com and s3-us-west-2.amazonaws.com
_S3_HOST = re.compile(r"s3([.-][a-z0-9.-]+)?\.amazonaws\.com\Z")


def key(owner: str, name: str) -> str:
    """Where in the bucket a user's file lies, as part of a URL."""
    return f"uploads/{quote(owner, safe='')}/{quote(name, safe='')}"


def with_contents(
    connection: Connection, bucket: str, owner: str, wanted: Sequence[Wanted]
) -> list[Wanted]:
    """The same jobs, their inputs in the service's bucket replaced by what these stand for now.

    Raises:
        DescriptionError: there is no such upload of this user's.
    """
    known: dict[str, str] = {}
    found: list[Wanted] = []
    problems: list[FieldProblem] = []
    for job in wanted:
        inputs = list(job.description.inputs)
        for position, url in enumerate(inputs):
            if url not in known:
                known[url] = _contents(connection, bucket, owner, url)
            if not known[url]:
                where = pointer("jobs", job.place, "inputs", position)
                problems.append(FieldProblem(where, "has not been uploaded, or not by you"))
            inputs[position] = known[url]
        if inputs != job.description.inputs:
            description = job.description.model_copy(update={"inputs": inputs})
            job = replace(job, description=description)
        found.append(job)
    if problems:
        raise DescriptionError("the description cannot be run here", problems=tuple(problems))
    return found


def _contents(connection: Connection, bucket: str, owner: str, url: str) -> str:
    """`url`, or what it stands for if it lies in the bucket; "" if that is nothing of `owner`'s."""
    place = _place_in(bucket, url)
    if place is None:
        return url
    folder, _, name = place.rpartition("/")
    sha256 = uploads.named(connection, owner, name) if folder == f"uploads/{owner}" else None
    return "" if sha256 is None else f"kotta://uploads/{sha256}/{quote(name, safe='')}"


def _place_in(bucket: str, url: str) -> str | None:
    """The key that a URL names in the bucket, None if it is elsewhere."""
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    if parts.scheme == "s3":
        return path if parts.netloc == bucket else None
    if parts.scheme == "https" and _S3_HOST.match(parts.netloc):
        first, _, rest = path.partition("/")
        return rest if first == bucket else None
    return None
