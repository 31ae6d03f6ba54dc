"""Descriptions of jobs that were, made ready to be submitted once more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kotta.models import JobDetail
from kotta.models.array import PARAMETER, PLACE

_OUTPUT = re.compile(r"^kotta://jobs/([^/]+)/")


def again(job: JobDetail, *, keeps_place: bool = True) -> dict[str, Any]:
    """The description of a job, as a description that can be submitted; it comes after nothing.

    A job of an array becomes an array of one, with the values that it had.

    Args:
        keeps_place: it also has the index that it had.
    """
    document = {
        name: value for name, value in job.description.items() if value not in (None, "", [], {})
    }
    document.pop("after", None)
    env: dict[str, str] = document.get("env", {})
    values = {
        name.removeprefix(PARAMETER): text
        for name, text in env.items()
        if name.startswith(PARAMETER) or (keeps_place and name in PLACE)
    }
    if job.array is not None:
        document["env"] = {
            name: text for name, text in env.items() if not name.startswith("KOTTA_")
        }
        document["array"] = [values]
    return document


def rounds(jobs: Sequence[JobDetail]) -> Iterator[list[JobDetail]]:
    """The jobs in groups that can be submitted at once: none comes after one of its own group.

    In each they keep their order.
    """
    known = {job.id for job in jobs}
    done: set[str] = set()
    rest = list(jobs)
    while rest:
        # a job comes after older ones only, so there is always one that is ready
        ready = [job for job in rest if needs(job) & known <= done]
        yield ready
        done |= {job.id for job in ready}
        rest = [job for job in rest if job.id not in done]


def needs(job: JobDetail) -> set[str]:
    """Ids of the jobs whose end it waited for."""
    return set(job.description.get("after") or ())


def renamed(inputs: Sequence[str], new_ids: Mapping[str, str]) -> list[str]:
    """Inputs, with outputs of jobs that were submitted again become the new jobs'."""

    def new(match: re.Match[str]) -> str:
        return f"kotta://jobs/{new_ids.get(match[1], match[1])}/"

    return [_OUTPUT.sub(new, item) for item in inputs]
