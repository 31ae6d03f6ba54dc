"""Sends descriptions and the local files they name, showing how far the files are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kotta.errors import DescriptionError, KottaError
from kotta_cli.render.transfer_bars import transfer_bars

if TYPE_CHECKING:
    from kotta.description import LoadedDescription
    from kotta.models import Job, JobDescription
    from kotta_cli.context import App


def submit_all(app: App, loaded: LoadedDescription) -> list[Job]:
    """Check, upload and submit; all of them or none.

    Raises:
        DescriptionError: with each problem's place in the file, whether it was found here or by the
            service.
    """
    from kotta.description import locate, to_descriptions

    descriptions = to_descriptions(loaded, queue_names(app))
    remark_on_arrays(app, descriptions)
    descriptions = _uploaded(app, descriptions)
    try:
        jobs = app.client.submit_many(descriptions)
    except DescriptionError as error:
        raise locate(error, loaded) from error
    app.remember(jobs, outputs=_declared(jobs, descriptions))
    return jobs


def remark_on_arrays(app: App, descriptions: Sequence[JobDescription]) -> None:
    """Say what may be a misspelt name; it may be meant literally, and is no error."""
    from kotta_cli.array_entries import left_literal

    if not app.quiet:
        for remark in dict.fromkeys(words for each in descriptions for words in left_literal(each)):
            app.note(remark)


def queue_names(app: App) -> Callable[[], list[str]]:
    """Asks the service which queues there are; nothing where it cannot be asked."""

    def ask() -> list[str]:
        try:
            return [queue.name for queue in app.client.queues()]
        except KottaError:
            # what is wrong with the description is to be told, not what is wrong with the service
            return []

    return ask


def _declared(jobs: Sequence[Job], descriptions: Sequence[JobDescription]) -> dict[str, list[str]]:
    """The files that each job will have made, for the shell to complete."""
    each = [one for one in descriptions for _ in one.array or [{}]]
    return {
        # a name that differs between the jobs of an array is known when one of them is looked at
        job.id: [name for name in one.declared_outputs if "{" not in name]
        for job, one in zip(jobs, each, strict=False)
    }


def _uploaded(app: App, descriptions: Sequence[JobDescription]) -> list[JobDescription]:
    """The descriptions with URLs in place of local inputs."""
    from kotta.description import is_local

    paths = {
        item: Path(item)
        for each in descriptions
        for item in each.inputs
        # a path that is different for each job of an array is the library's business
        if is_local(item) and os.path.isfile(item)
    }
    if not paths or not app.shows_progress:
        # The library uploads what is left.
        return list(descriptions)
    sizes = {path.name: path.stat().st_size for path in paths.values()}
    with transfer_bars(app, sizes) as progress:
        urls = {item: app.client.upload(path, progress) for item, path in paths.items()}
    return [
        each.model_copy(update={"inputs": [urls.get(item, item) for item in each.inputs]})
        for each in descriptions
    ]
