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
from kotta.config import Found
from kotta.description import is_local, missing_file
from kotta.errors import DescriptionError, FieldProblem, KottaError, NotFoundError
from kotta.models import Change, CheckedJob, Job, JobDescription
from kotta.models.array import LISTS, TEXTS, filled
from kotta.models.problems import field_problems, pointer
from kotta.selection import many
from kotta.uploads import upload

PART_JOBS = 1_000
PART_BYTES = 32 << 20
"""Of a request's JSON; the service takes 64 MiB."""
UPLOADED = "kotta://uploads/"
_INDEX = re.compile(r"^/jobs/(\d+)")

Description = JobDescription | Mapping[str, Any]


def submit(
    api: Api,
    descriptions: Iterable[Description],
    key: str,
    defaults: Mapping[str, Found],
    wait_seconds: float = 0,
) -> tuple[list[Job], list[Change]]:
    """Uploads local inputs and submits, in parts that are each accepted as a whole or not at all.

    Args:
        key: with the same key, the same descriptions are submitted once.
        defaults: values of fields that a description leaves out.
        wait_seconds: for so long each part's answer waits for the end of its jobs.

    Returns:
        The jobs, and the ends that came within that time.
    """
    checked = _checked(descriptions, defaults)
    bodies = _bodies(api, checked)
    parts = list(_parts(bodies))
    jobs: list[Job] = []
    ended: list[Change] = []
    for start, part in parts:
        try:
            reply = api.submit(part, key if len(parts) == 1 else f"{key}/{start}", wait_seconds)
            jobs += reply.jobs
            ended += reply.ended
        except KottaError as error:
            if start:
                error.hint = f"{error.hint}; " if error.hint else ""
                error.hint += f"the first {start} jobs are submitted"
            if isinstance(error, DescriptionError):
                error.problems = _told(error.problems, start, defaults)
            raise
    return jobs, ended


def check(
    api: Api, descriptions: Iterable[Description], defaults: Mapping[str, Found]
) -> list[CheckedJob]:
    """What would become of jobs, were they submitted now; see `kotta.client.Kotta.check`."""
    found = []
    for start, part in _parts(_bodies(api, _checked(descriptions, defaults), is_rehearsal=True)):
        try:
            found += api.check(part)
        except DescriptionError as error:
            error.problems = _told(error.problems, start, defaults)
            raise
    return found


def _checked(
    descriptions: Iterable[Description], defaults: Mapping[str, Found]
) -> list[JobDescription]:
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
        description = _completed(description, defaults)
        inputs = [_absolute(item) for item in description.inputs]
        for position, item in enumerate(inputs):
            for path in local_paths(item, description.array):
                if words := missing_file(path):
                    place = pointer("jobs", index, "inputs", position)
                    problems.append(FieldProblem(place, words))
                    break
        if inputs != description.inputs:
            description = description.model_copy(update={"inputs": inputs})
        found.append(description)
    if problems:
        words = "; ".join(f"{problem.field} {problem.detail}" for problem in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DescriptionError(f"the description is wrong: {words}{more}", problems=tuple(problems))
    return found


def _completed(description: JobDescription, defaults: Mapping[str, Found]) -> JobDescription:
    missing = {
        name: found.value
        for name, found in defaults.items()
        if name not in description.model_fields_set
    }
    return description.model_copy(update=missing) if missing else description


def _absolute(item: str) -> str:
    return os.path.abspath(os.path.expanduser(item)) if is_local(item) else item


def local_paths(item: str, array: Sequence[Mapping[str, str]]) -> list[str]:
    """The local files that an entry of `inputs` stands for: none, one, or one for each of an array.

    A path in which nothing is to be filled in is one file for all.
    """
    if not is_local(item):
        return []
    return list(dict.fromkeys(filled(item, values) for values in array or [{}]))


def _bodies(
    api: Api, descriptions: Sequence[JobDescription], *, is_rehearsal: bool = False
) -> list[dict[str, Any]]:
    """The descriptions as they are sent, with URLs in place of local files and ids of selectors.

    Args:
        is_rehearsal: send no file, and leave local ones out.
    """
    local = list(
        dict.fromkeys(
            path
            for each in descriptions
            for item in each.inputs
            for path in local_paths(item, each.array)
        )
    )
    urls: dict[str, str] = {}
    if not is_rehearsal:
        sent = upload(api, [Path(path) for path in local])
        urls = {path: each.url for path, each in zip(local, sent, strict=True)}
    after = _ids_after(api, descriptions)
    return [_body(each, urls, after.get(tuple(each.after), [])) for each in descriptions]


def _ids_after(
    api: Api, descriptions: Sequence[JobDescription]
) -> dict[tuple[str, ...], list[str]]:
    """Ids of the jobs that selectors in `after` mean, each asked for once.

    Raises:
        NotFoundError: one means none: the job would start at once, which was not wished.
    """
    jobs_of: dict[str, list[str]] = {}
    for selector in dict.fromkeys(word for each in descriptions for word in each.after):
        jobs_of[selector] = [job.id for job in many(api, [selector]).jobs]
        if not jobs_of[selector]:
            raise NotFoundError(
                f"`after`: no job fits `{selector}`, so there is nothing to come after",
                hint="kotta list shows your jobs",
            )
    wanted = dict.fromkeys(tuple(each.after) for each in descriptions)
    return {
        words: list(dict.fromkeys(job for word in words for job in jobs_of[word]))
        for words in wanted
    }


def _body(
    description: JobDescription, urls: Mapping[str, str], after: Sequence[str]
) -> dict[str, Any]:
    array = [dict(values) for values in description.array]
    inputs = []
    for position, item in enumerate(description.inputs):
        if not is_local(item):
            inputs.append(item)
        elif len(paths := local_paths(item, array)) == 1 and paths[0] == item:
            inputs += [urls[item]] if item in urls else []
        elif all(path in urls for path in paths):
            # each job's own file: what is filled in is no longer its path, but where it was sent
            name = _free_name(f"input_{position}", description)
            for values in array:
                url = urls[filled(item, values)]
                values[name] = url.removeprefix(UPLOADED)
            inputs.append(f"{UPLOADED}{{{name}}}")
    body = {**description.model_dump(exclude_defaults=True), "inputs": inputs}
    if array:
        body["array"] = array
    if after:
        body["after"] = list(after)
    return body


def _free_name(wanted: str, description: JobDescription) -> str:
    """One that no entry of the array has, and nothing in the description speaks of."""
    words = json.dumps(description.model_dump(include={*TEXTS, *LISTS}))
    while f"{{{wanted}}}" in words or any(wanted in values for values in description.array):
        wanted += "_"
    return wanted


def _parts(bodies: Sequence[dict[str, Any]]) -> Iterator[tuple[int, Sequence[dict[str, Any]]]]:
    """Where each part begins, and the part; for the same bodies always the same ones."""
    start, size, jobs = 0, 0, 0
    for index, body in enumerate(bodies):
        weight, count = len(json.dumps(body)), len(body.get("array") or ()) or 1
        if index > start and (jobs + count > PART_JOBS or size + weight > PART_BYTES):
            yield start, bodies[start:index]
            start, size, jobs = index, 0, 0
        size += weight
        jobs += count
    if bodies:
        yield start, bodies[start:]


def _told(
    problems: Sequence[FieldProblem], start: int, defaults: Mapping[str, Found]
) -> tuple[FieldProblem, ...]:
    """The same problems, counted from the first description of all rather than of its part.

    Of a value that may be a setting's it is said where the setting stands.
    """
    told = []
    for problem in problems:
        place = _INDEX.sub(lambda match: f"/jobs/{int(match[1]) + start}", problem.pointer)
        hint = problem.hint
        if (setting := defaults.get(place.rpartition("/")[2])) is not None:
            hint = f"{hint}; " if hint else ""
            hint += f"where a job says nothing, it is `{setting.value}` by {setting.origin}"
        told.append(replace(problem, pointer=place, hint=hint))
    return tuple(told)
