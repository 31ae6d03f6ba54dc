"""Which jobs a person means by a few words; what a word means is the service's to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kotta.api import Api
from kotta.errors import AmbiguousError, NotFoundError, RequestError
from kotta.models import Job, JobPage

PAGE_JOBS = 1_000
MANY_CANDIDATES = 50
"""The service tells of so many at most."""
ARRAY = "array"
"""What stands for the state of a candidate that is an array."""


@dataclass(frozen=True)
class Selection:
    """Jobs, each once, in the order they were asked for.

    Attributes:
        sets: those of the words that name sets rather than single jobs.
        is_one: one word was given, and it names a single job.
    """

    jobs: list[Job]
    sets: tuple[str, ...] = ()
    is_one: bool = False


def one(api: Api, selector: str) -> Job:
    """The one job that `selector` means.

    Raises:
        RequestError: it is empty.
        NotFoundError: it means none.
        AmbiguousError: it means several.
    """
    page = _page(api, selector)
    if page.is_set and len(page.jobs) > 1:
        more = " or more" if page.next_cursor else ""
        raise AmbiguousError(
            f"`{selector}` means {len(page.jobs)} jobs{more}, and this takes one",
            candidates=tuple(_candidate(job) for job in page.jobs[:MANY_CANDIDATES]),
            hint="give one of the ids",
        )
    return _single(selector, page)


def many(api: Api, selectors: Sequence[str], *, oldest_first: bool = False) -> Selection:
    """All that the selectors mean; see `kotta.client.Kotta.select_many`.

    Args:
        oldest_first: a set comes in the order of its submission, not with the newest first.
    """
    found: dict[str, Job] = {}
    sets = []
    for selector in selectors:
        page = _page(api, selector, PAGE_JOBS)
        if not page.is_set:
            job = _single(selector, page)
            found.setdefault(job.id, job)
            continue
        sets.append(selector)
        jobs = list(page.jobs)
        while page.next_cursor is not None:
            page = _page(api, selector, PAGE_JOBS, page.next_cursor)
            jobs += page.jobs
        ordered = jobs[::-1] if oldest_first else _arrays_by_index(jobs)
        found.update((job.id, job) for job in ordered if job.id not in found)
    is_one = len(selectors) == 1 and not sets
    return Selection(list(found.values()), tuple(sets), is_one)


def _page(api: Api, selector: str, limit: int = 100, cursor: str | None = None) -> JobPage:
    if not selector:
        raise RequestError("what is to name a job is empty", hint="is a variable not set?")
    return api.select(selector, limit, cursor)


def _arrays_by_index(jobs: Sequence[Job]) -> list[Job]:
    """Jobs, newest first, but those of one array among themselves by index."""
    of_array: dict[str | None, list[Job]] = {}
    for job in jobs:
        of_array.setdefault(job.array, []).append(job)
    return [job if job.array is None else of_array[job.array].pop() for job in jobs]


def _single(selector: str, page: JobPage) -> Job:
    if not page.jobs:
        raise NotFoundError(
            f"no job is called `{selector}`",
            hint="`kotta list` shows your jobs; a name is written as it is there, or as a glob",
        )
    if len(page.jobs) > 1:
        count = len(page.jobs)
        candidates = tuple(_candidates(selector, page.jobs))
        things = "jobs" if all(status != ARRAY for *_, status in candidates) else "things"
        raise AmbiguousError(
            f"`{selector}` means {count} {things}{' or more' if count >= MANY_CANDIDATES else ''}",
            candidates=candidates,
            hint="give one of the ids, or enough of it",
        )
    return page.jobs[0]


def _candidates(selector: str, jobs: Sequence[Job]) -> Iterator[tuple[str, str, str]]:
    known: set[str] = set()
    for job in jobs:
        # the service tells of jobs first: once more it stands for the array that it is the first of
        is_array = job.id in known or _is_array(selector, job)
        known.add(job.id)
        yield _array(job) if is_array else _candidate(job)


def _candidate(job: Job) -> tuple[str, str, str]:
    return job.id, job.name, job.status.value


def _array(job: Job) -> tuple[str, str, str]:
    return job.array or "", job.name.removesuffix(f"[{job.array_index}]"), ARRAY


def _is_array(selector: str, job: Job) -> bool:
    """Whether the service meant by one job of it the array that a selector names."""
    if job.array is None or job.name == selector:
        return False
    start = selector.lower()
    is_its_id = job.array.startswith(start) and not job.id.startswith(start)
    return is_its_id or job.name == f"{selector}[{job.array_index}]"
