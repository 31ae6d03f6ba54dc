"""What happens between descriptions and submitted jobs: checks, uploads, parts of bearable size."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kotta.api import Api
from kotta.description import is_local, missing_file
from kotta.errors import DescriptionError, FieldProblem, KottaError
from kotta.models import Job, JobDescription
from kotta.models.problems import field_problems, pointer
from kotta.uploads import upload

PART_JOBS = 1_000
PART_BYTES = 32 << 20
"""Of a request's JSON; the service takes 64 MiB."""
_INDEX = re.compile(r"^/jobs/(\d+)")

Description = JobDescription | Mapping[str, Any]


def submit(api: Api, descriptions: Iterable[Description], key: str) -> list[Job]:
    """Uploads local inputs and submits, in parts that are each accepted as a whole or not at all.

    Args:
        key: with the same key, the same descriptions are submitted once.
    """
    checked = _checked(descriptions)
    bodies = _bodies(api, checked)
    parts = list(_parts(bodies))
    jobs: list[Job] = []
    for start, part in parts:
        try:
            jobs += api.submit(part, key if len(parts) == 1 else f"{key}/{start}")
        except KottaError as error:
            if start:
                error.hint = f"{error.hint}; " if error.hint else ""
                error.hint += f"the first {start} jobs are submitted"
            if isinstance(error, DescriptionError):
                error.problems = tuple(_moved(problem, start) for problem in error.problems)
            raise
    return jobs


def _checked(descriptions: Iterable[Description]) -> list[JobDescription]:
    """The descriptions as models, their local inputs as absolute paths of files that are there."""
    found: list[JobDescription] = []
    problems: list[FieldProblem] = []
    for index, description in enumerate(descriptions):
        if not isinstance(description, JobDescription):
            try:
                description = JobDescription.model_validate(description)
            except ValidationError as error:
                problems += field_problems(error, prefix=("jobs", index))
                continue
        inputs = [_absolute(item) for item in description.inputs]
        for position, item in enumerate(inputs):
            if is_local(item) and (words := missing_file(item)):
                place = pointer("jobs", index, "inputs", position)
                problems.append(FieldProblem(place, words))
        if inputs != description.inputs:
            description = description.model_copy(update={"inputs": inputs})
        found.append(description)
    if problems:
        words = "; ".join(f"{problem.field} {problem.detail}" for problem in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DescriptionError(f"the description is wrong: {words}{more}", problems=tuple(problems))
    return found


def _absolute(item: str) -> str:
    return os.path.abspath(os.path.expanduser(item)) if is_local(item) else item


def _bodies(api: Api, descriptions: Sequence[JobDescription]) -> list[dict[str, Any]]:
    local = list(
        dict.fromkeys(item for each in descriptions for item in each.inputs if is_local(item))
    )
    urls = dict(zip(local, upload(api, [Path(item) for item in local]), strict=True))
    return [
        {
            **description.model_dump(exclude_defaults=True),
            "inputs": [urls.get(item, item) for item in description.inputs],
        }
        for description in descriptions
    ]


def _parts(bodies: Sequence[dict[str, Any]]) -> Iterator[tuple[int, Sequence[dict[str, Any]]]]:
    """Where each part begins, and the part; for the same bodies always the same ones."""
    start, size = 0, 0
    for index, body in enumerate(bodies):
        weight = len(json.dumps(body))
        if index > start and (index - start == PART_JOBS or size + weight > PART_BYTES):
            yield start, bodies[start:index]
            start, size = index, 0
        size += weight
    if bodies:
        yield start, bodies[start:]


def _moved(problem: FieldProblem, start: int) -> FieldProblem:
    """The same problem, counted from the first description of all rather than of its part."""
    moved = _INDEX.sub(lambda match: f"/jobs/{int(match[1]) + start}", problem.pointer)
    return replace(problem, pointer=moved)
