"""Submits jobs again, those that come after others once these have their new ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kotta.description import LoadedDescription, locate, to_descriptions
from kotta.errors import DescriptionError
from kotta.rerunning import again, needs, renamed, rounds
from kotta_cli.submitting import submit_all

if TYPE_CHECKING:
    from kotta.models import Job, JobDetail
    from kotta_cli.context import App
    from kotta_cli.overrides import Overrides


class Rerun:
    """New jobs from old ones.

    Args:
        keeps_place: a job of an array keeps its index, see `kotta.rerunning.again`.
    """

    def __init__(self, app: App, overrides: Overrides, *, keeps_place: bool) -> None:
        self._app = app
        self._overrides = overrides
        self._keeps_place = keeps_place
        self._new_ids: dict[str, str] = {}
        self._is_open: dict[str, bool] = {}

    def submit(self, jobs: Sequence[Job]) -> list[Job]:
        """All of them, or none; a job that came after another of them comes after the new one.

        Of other jobs that one was to come after, those that have not ended still count.

        Raises:
            DescriptionError: one cannot be accepted as it has become.
        """
        details = [self._app.client.status(job) for job in jobs]
        groups = list(rounds(details))
        if len(groups) > 1:
            # they are accepted group by group, and the last must not be the first to be refused
            self._check(details)
        submitted: dict[str, list[Job]] = {}
        for group in groups:
            loaded = self._loaded(group)
            # an overriding --sweep makes several of one
            counts = [len(document.get("array") or ()) or 1 for document in loaded.documents]
            found = iter(submit_all(self._app, loaded))
            for job, count in zip(group, counts, strict=True):
                submitted[job.id] = [next(found) for _ in range(count)]
                self._new_ids[job.id] = submitted[job.id][0].id
        return [new for job in details for new in submitted[job.id]]

    def _check(self, details: Sequence[JobDetail]) -> None:
        loaded = self._loaded(details)
        try:
            self._app.client.check(to_descriptions(loaded))
        except DescriptionError as error:
            raise locate(error, loaded) from error

    def _loaded(self, details: Sequence[JobDetail]) -> LoadedDescription:
        is_one = len(details) == 1
        source = f"job {details[0].id}" if is_one else "the jobs"
        documents = [self._document(job) for job in details]
        loaded = LoadedDescription(source, "", documents, not is_one, Path())
        for document in documents:
            loaded.origins.update(self._overrides.apply(document))
        return loaded

    def _document(self, job: JobDetail) -> dict[str, Any]:
        document = again(job, keeps_place=self._keeps_place)
        document["inputs"] = renamed(document.get("inputs", ()), self._new_ids)
        document["after"] = [
            self._new_ids.get(each, each)
            for each in sorted(needs(job))
            if each in self._new_ids or self._still_counts(each)
        ]
        return document

    def _still_counts(self, job_id: str) -> bool:
        if job_id not in self._is_open:
            self._is_open[job_id] = not self._app.client.status(job_id).status.is_terminal
        return self._is_open[job_id]
