"""From descriptions to the bodies of submit requests: checked, their local inputs uploaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kotta import transfers
from kotta.api import Api
from kotta.description import is_local
from kotta.errors import DescriptionError
from kotta.models import JobDescription
from kotta.models.problems import field_problems

CHUNK_JOBS = 1_000
CHUNK_BYTES = 32 << 20
"""Of scripts and payloads in one request; the service refuses bodies above 64 MiB."""


def prepared(
    api: Api, descriptions: Iterable[JobDescription | Mapping[str, Any]]
) -> list[Sequence[Mapping[str, Any]]]:
    """The bodies of the jobs, in pieces that the service accepts as one request each.

    Raises:
        DescriptionError: one of them is wrong; nothing was uploaded.
    """
    checked = _checked(descriptions)
    urls = _uploaded(api, checked)
    bodies = [
        {
            **description.model_dump(exclude_defaults=True),
            "inputs": [urls.get(item, item) for item in description.inputs],
        }
        for description in checked
    ]
    return list(_in_parts(bodies))


def _uploaded(api: Api, descriptions: Sequence[JobDescription]) -> dict[str, str]:
    """Local inputs of all of them, and the URLs under which the service has them now."""
    local = list(
        dict.fromkeys(item for each in descriptions for item in each.inputs if is_local(item))
    )
    if not local:
        return {}
    return dict(zip(local, transfers.upload(api, [Path(item) for item in local]), strict=True))


def _in_parts(bodies: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """The bodies in pieces that the service accepts as one request each."""
    start = size = 0
    for index, body in enumerate(bodies):
        own_size = len(body.get("script", "")) + len(body.get("function", {}).get("payload", ""))
        if index > start and (index - start == CHUNK_JOBS or size + own_size > CHUNK_BYTES):
            yield bodies[start:index]
            start, size = index, 0
        size += own_size
    yield bodies[start:]


def _checked(
    descriptions: Iterable[JobDescription | Mapping[str, Any]],
) -> Sequence[JobDescription]:
    checked = []
    for index, description in enumerate(descriptions):
        if not isinstance(description, JobDescription):
            try:
                description = JobDescription.model_validate(description)
            except ValidationError as error:
                problems = field_problems(error, prefix=("jobs", index))
                raise DescriptionError(
                    "the description is wrong: "
                    + "; ".join(
                        f"{problem.field} {problem.detail}".strip() for problem in problems
                    ),
                    problems=problems,
                ) from None
        checked.append(description)
    return checked
