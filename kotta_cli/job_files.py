"""Understands `JOB:FILE`: which outputs of which job a word means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kotta_cli.parameters import UsageProblem

if TYPE_CHECKING:
    from kotta.models import JobDetail, Output
    from kotta_cli.context import App


def is_job_file(word: str) -> bool:
    """Whether a word is `JOB:FILE` rather than a path; `./a:b` is a path, as for scp."""
    before, colon, _ = word.partition(":")
    return bool(colon and before) and "/" not in before and not os.path.splitdrive(word)[0]


def parts_of(word: str) -> tuple[str, str]:
    """The job and the file of `JOB:FILE`.

    Raises:
        UsageProblem: it is not of this form.
    """
    job, _, name = word.partition(":")
    if not is_job_file(word) or not name:
        raise UsageProblem(
            f"`{word}` is no JOB:FILE", hint="such as @last:STDOUT.txt or 3f1c2d4e:'*.csv'"
        )
    return job, name


def outputs_meant(app: App, words: Sequence[str]) -> list[tuple[JobDetail, Output]]:
    """The outputs that words of the form `JOB:FILE` mean, in their order; FILE may be a glob.

    Raises:
        NotFoundError: there is no such job, or it has no such output.
        AmbiguousError: JOB means several.
    """
    from kotta.manifest import chosen

    jobs: dict[str, JobDetail] = {}
    found = []
    for job, name in [parts_of(word) for word in words]:
        if job not in jobs:
            selected = app.client.select(job)
            app.remember([selected])
            jobs[job] = app.client.status(selected)
        found += [(jobs[job], output) for output in chosen(jobs[job], [name])]
    return found
