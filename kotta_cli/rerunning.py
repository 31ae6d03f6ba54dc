"""Submits jobs again, those that come after others once these have their new ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kotta.description import LoadedDescription, locate, to_descriptions
from kotta.errors import DescriptionError
from kotta.rerunning import again, as_one, names_in, needs, renamed, rounds, series_name, template
from kotta_cli.array_entries import MAX_ENTRIES
from kotta_cli.parameters import UsageProblem
from kotta_cli.submitting import queue_names, submit_all

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
            loaded, bundles = self._loaded(group)
            found = iter(submit_all(self._app, loaded))
            for bundle, document in zip(bundles, loaded.documents, strict=True):
                new = [next(found) for _ in document.get("array") or [{}]]
                # an overriding --sweep makes another number of them
                is_same = len(new) == len(bundle)
                parts = [[one] for one in new] if is_same else [new, *([] for _ in bundle[1:])]
                for job, part in zip(bundle, parts, strict=True):
                    submitted[job.id] = part
                    self._new_ids[job.id] = (part or new)[0].id
        return [new for job in details for new in submitted[job.id]]

    def _check(self, details: Sequence[JobDetail]) -> None:
        loaded, _ = self._loaded(details)
        try:
            self._app.client.check(to_descriptions(loaded, queue_names(self._app)))
        except DescriptionError as error:
            raise locate(error, loaded) from error

    def _loaded(
        self, details: Sequence[JobDetail]
    ) -> tuple[LoadedDescription, list[list[JobDetail]]]:
        """The new descriptions, and which of the jobs each is of."""
        source = f"job {details[0].id}" if len(details) == 1 else "the jobs"
        documents = {job.id: self._document(job) for job in details}
        origins = {}
        if self._keeps_place:
            for document in documents.values():
                origins.update(self._overrides.apply(document))
            bundles, merged = self._bundled(details, documents)
        else:
            bundles, merged = self._templates(details, documents)
            for document in merged:
                origins.update(self._overrides.apply(document))
        loaded = LoadedDescription(source, "", merged, len(merged) > 1, Path())
        loaded.origins.update(origins)
        return loaded, bundles

    def _templates(
        self, details: Sequence[JobDetail], documents: dict[str, dict[str, Any]]
    ) -> tuple[list[list[JobDetail]], list[dict[str, Any]]]:
        """Jobs of one array as what was written for it, where its names get other values.

        Others each by itself.

        Raises:
            UsageProblem: a value that is to be another is part of the command, or may be.
        """
        alike: dict[str, list[JobDetail]] = {}
        for job in details:
            has_old = self._overrides.array_names & self._values(documents[job.id]).keys()
            alike.setdefault(str(job.array) if has_old else job.id, []).append(job)
        bundles = list(alike.values())
        return bundles, [
            self._template(jobs, [documents[job.id] for job in jobs]) for jobs in bundles
        ]

    def _template(
        self, jobs: Sequence[JobDetail], documents: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        given, old = self._overrides.array_names, set(self._values(documents[0]))
        if not given & old:
            return documents[0]
        name = series_name(jobs[0])
        whole, fixed = self._written(documents, given, old, name)
        if fixed:  # but perhaps not where what the array's other jobs did is known too
            others = [self._document(job) for job in self._others_of_array(jobs)]
            whole, fixed = self._written([*documents, *others], given, old, name)
        if fixed:
            raise _has_old_value(fixed[0])
        whole = {**whole, "array": [self._values(document) for document in documents]}
        return {**whole, "jobname": name} if name else whole

    def _written(
        self, documents: Sequence[dict[str, Any]], given: set[str], old: set[str], name: str
    ) -> tuple[dict[str, Any], list[str]]:
        """What was written for an array, and which of its names cannot have other values in it.

        Args:
            given: the names that get other values.
            old: those that the array has.
            name: that of the array, "" if its jobs' names tell nothing.
        """
        unneeded = {*self._overrides.replaced, *(["jobname"] if name else [])}
        kept = [
            {field: value for field, value in document.items() if field not in unneeded}
            for document in documents
        ]
        whole, fixed = template(kept, sorted(given & old))
        if self._overrides.entries is not None:
            # the new entries have nothing for the old ones' other names
            fixed += sorted((names_in(whole) & old) - given)
        return whole, fixed

    def _others_of_array(self, jobs: Sequence[JobDetail]) -> list[JobDetail]:
        """Some other jobs of the array that these are of: what they did may tell what was written.

        They are at distances that double, by which values differ that change from job to job as
        well as those that change seldom.
        """
        known = {job.array_index: job for job in self._app.client.select_many(str(jobs[0].array))}
        first = jobs[0].array_index or 0
        distances = [2**power for power in range(MAX_ENTRIES.bit_length())]
        indices = [first + sign * distance for distance in distances for sign in (1, -1)]
        ours = {job.array_index for job in jobs}
        return [
            self._app.client.status(known[index])
            for index in indices
            if index in known and index not in ours
        ]

    @staticmethod
    def _values(document: dict[str, Any]) -> dict[str, str]:
        return (document.get("array") or [{}])[0]  # type: ignore[no-any-return]

    def _bundled(
        self, details: Sequence[JobDetail], documents: dict[str, dict[str, Any]]
    ) -> tuple[list[list[JobDetail]], list[dict[str, Any]]]:
        """Jobs of one array as one, where that can be; others each by itself."""
        alike: dict[str, list[JobDetail]] = {}
        for job in details:
            alike.setdefault(job.array or job.id, []).append(job)
        bundles: list[list[JobDetail]] = []
        merged: list[dict[str, Any]] = []
        for jobs in alike.values():
            each = [documents[job.id] for job in jobs]
            if len(jobs) > 1 and (whole := as_one(each)) is not None:
                bundles.append(jobs)
                merged.append(whole)
            else:
                bundles += [[job] for job in jobs]
                merged += each
        return bundles, merged

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


def _has_old_value(name: str) -> UsageProblem:
    return UsageProblem(
        f"`{name}` cannot have other values: its old one stands in the command or in a file's name "
        "already, or may do so",
        hint=f"say the command after --, with {{{name}}} in it, or submit it anew with --sweep",
    )
