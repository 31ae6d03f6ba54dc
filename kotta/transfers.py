"""Brings jobs' outputs here: resumed after a cut, verified before they count.

One file over HTTP is brought by `kotta.downloads`, small ones together by `kotta.batches`, those on
this machine's disk by `kotta.copying`. The way there is `kotta.uploads`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from kotta.api import Api
from kotta.batches import SMALL_BYTES, batches, download_batch
from kotta.contents import Progress
from kotta.copying import copy, copy_small
from kotta.downloads import Item, download
from kotta.errors import ConflictError, NotFoundError, TransferError
from kotta.manifest import chosen, is_here
from kotta.meter import Meter
from kotta.models import JobDetail, Output
from kotta.workers import Stop, Task, together

CONNECTIONS = 4
"""More hardly help one client, and cost the service."""
NAMES_AT_ONCE = 1_000
LOOKING = 4
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class FetchReport:
    """What became of the outputs that were asked for.

    Attributes:
        directory: where they are.
        fetched: names of those that were brought.
        already_there: names of those that lay there already, with the same bytes.
        unavailable: names of those that the job did not make.
        job_id: whose they are.
    """

    directory: Path
    fetched: list[str] = field(default_factory=list)
    already_there: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)
    job_id: str = ""


@dataclass(frozen=True)
class VerifyReport:
    """How the files in a folder compare with what the service keeps.

    Attributes:
        intact: names of those that have the same bytes.
        different: names of those that have not.
        missing: names of those that are not there.
        unavailable: names of those that the job did not make.
    """

    job_id: str
    directory: Path
    intact: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether all that was asked about is here as it should be."""
        return not (self.different or self.missing or self.unavailable)


def details(api: Api, job_ids: Sequence[str]) -> list[JobDetail]:
    """Everything about these jobs, asked for several at a time."""
    return _in_threads(api.status, job_ids, Stop())


def fetch(
    api: Api,
    jobs: Sequence[tuple[JobDetail, Path]],
    names: Sequence[str] | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> list[FetchReport]:
    """Brings jobs' outputs into a folder each; a second time it does nothing.

    A file gets its name only once all its bytes are there and have the right hash; what was there
    before an interruption is kept aside and resumed.

    Args:
        names: which ones, as names or globs; None: all. Of several jobs, not each needs to have
            each of them.
        force: replace files that are different.

    Raises:
        NotFoundError: a name fits no output.
        ConflictError: a different file is in the way; nothing was brought.
        TransferError: a file did not arrive as the service keeps it.
    """
    stop = Stop()
    wanted = _wanted(jobs, names, several=len(jobs) > 1)
    there = _those_here(_available(wanted), stop)
    reports, to_fetch = [], []
    for job, directory, items in wanted:
        report = FetchReport(directory, job_id=job.id)
        for item in items:
            if not item.output.available:
                report.unavailable.append(item.output.name)
            elif item.target in there:
                report.already_there.append(item.output.name)
            else:
                _refuse_what_is_in_the_way(
                    item.target, "-o DIRECTORY puts the outputs elsewhere", force=force
                )
                to_fetch.append(item)
                report.fetched.append(item.output.name)
        reports.append(report)
    bring(api, to_fetch, Meter(progress), stop)
    return reports


def fetch_to(
    api: Api,
    files: Sequence[tuple[JobDetail, Output, Path]],
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> None:
    """Brings outputs to a path each; those that are there already are not brought again.

    Raises:
        NotFoundError: a job did not make one of them.
        ConflictError: a different file is in the way; nothing was brought.
    """
    stop = Stop()
    items = [Item(job.id, output, path, output.name) for job, output, path in files]
    for item in items:
        if not item.output.available:
            raise NotFoundError(
                f"job {item.job_id} has not made `{item.output.name}`",
                hint=f"kotta why {item.job_id}",
            )
    there = _those_here(items, stop)
    to_fetch = [item for item in items if item.target not in there]
    for item in to_fetch:
        _refuse_what_is_in_the_way(item.target, "or name another place", force=force)
    bring(api, to_fetch, Meter(progress), stop)


def verify(
    job: JobDetail,
    directory: Path,
    names: Sequence[str] | None = None,
    *,
    partly: bool = False,
) -> VerifyReport:
    """Compares the files in a folder with the hashes that the service tells; brings nothing.

    Args:
        partly: the job is one of several, and need not have each of these names.

    Raises:
        NotFoundError: a name fits no output.
    """
    report = VerifyReport(job.id, directory)
    wanted = _wanted([(job, directory)], names, several=partly)
    there = _those_here(_available(wanted), Stop())
    items = wanted[0][2]
    for item in items:
        if not item.output.available:
            report.unavailable.append(item.output.name)
        elif item.target in there:
            report.intact.append(item.output.name)
        elif os.path.lexists(item.target):
            report.different.append(item.output.name)
        else:
            report.missing.append(item.output.name)
    return report


def bring(api: Api, items: Sequence[Item], progress: Progress, stop: Stop) -> None:
    """Brings files, a few at a time; each has its name once it is whole and verified."""
    for folder in {item.target.parent for item in items}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            inside = next(item.target for item in items if item.target.parent == folder)
            raise TransferError(f"{inside}: {error.strerror or error}") from error
    of_job: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        of_job[item.job_id].append(item)
    large = sum(item.size_bytes > SMALL_BYTES for item in items)
    connections = max(1, CONNECTIONS // max(large, 1))
    tasks = (
        task
        for those in of_job.values()
        for task in _tasks(api, those, progress, stop, connections)
    )
    together(tasks, min(CONNECTIONS, len(items)), stop)


def _tasks(
    api: Api, items: Sequence[Item], progress: Progress, stop: Stop, connections: int
) -> Iterator[Task]:
    """What brings a job's files; the large ones first, so that they do not end up alone."""
    by_size = sorted(items, key=lambda item: -item.size_bytes)
    for start in range(0, len(by_size), NAMES_AT_ONCE):
        those = by_size[start : start + NAMES_AT_ONCE]
        names = [item.output.name for item in those]
        folder = api.output_folder(those[0].job_id, names)
        small = [item for item in those if item.size_bytes <= SMALL_BYTES]
        for item in those[: len(those) - len(small)]:
            if folder is not None:
                yield _told(item, partial(copy, folder / item.output.name, item, progress, stop))
            else:
                yield _told(item, partial(download, api, item, progress, stop, connections))
        if folder is not None:
            for batch in batches(small):
                yield partial(_copy_batch, folder, batch, progress, stop)
        elif len(small) == 1:
            yield _told(small[0], partial(download, api, small[0], progress, stop, 1))
        else:
            for batch in batches(small):
                yield _told(batch[0], partial(download_batch, api, batch, progress, stop))


def _copy_batch(folder: Path, items: Sequence[Item], progress: Progress, stop: Stop) -> None:
    for item in items:
        stop.check()
        _told(item, partial(copy_small, folder / item.output.name, item))()
        progress(item.label, item.size_bytes, item.size_bytes)


def _told(item: Item, task: Task) -> Task:
    """The same, but what the disk says is our error."""

    def tell() -> None:
        try:
            task()
        except OSError as error:
            where = error.filename2 or error.filename or item.target
            raise TransferError(f"{where}: {error.strerror or error}") from error

    return tell


def _wanted(
    jobs: Sequence[tuple[JobDetail, Path]], names: Sequence[str] | None, *, several: bool
) -> list[tuple[JobDetail, Path, list[Item]]]:
    wanted = []
    for job, directory in jobs:
        outputs = chosen(job, names, partly=several)
        mark = f"{job.id[:8]}/" if several else ""
        items = [Item(job.id, each, directory / each.name, mark + each.name) for each in outputs]
        wanted.append((job, directory, items))
    return wanted


def _available(wanted: Iterable[tuple[JobDetail, Path, list[Item]]]) -> list[Item]:
    return [item for _, _, items in wanted for item in items if item.output.available]


def _those_here(items: Sequence[Item], stop: Stop) -> set[Path]:
    """The places where the right bytes lie already."""
    # most often nothing lies there, which is seen before a thread could be asked
    lying = [item for item in items if os.path.lexists(item.target)]
    looked = _in_threads(lambda item: is_here(item.target, item.output), lying, stop)
    return {item.target for item, is_there in zip(lying, looked, strict=True) if is_there}


def _in_threads(look: Callable[[A], B], items: Sequence[A], stop: Stop) -> list[B]:
    """What `look` says of each, in order; two cores hash twice as fast as one."""
    found: dict[int, B] = {}

    def one(place: int) -> None:
        stop.check()
        found[place] = look(items[place])

    together((partial(one, place) for place in range(len(items))), min(LOOKING, len(items)), stop)
    return [found[place] for place in range(len(items))]


def _refuse_what_is_in_the_way(target: Path, otherwise: str, *, force: bool) -> None:
    if os.path.lexists(target) and not force:
        raise ConflictError(
            f"{target} is there already and is different",
            hint=f"--force replaces it; {otherwise}",
        )
