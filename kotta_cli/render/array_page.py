"""An array of jobs as one thing, as a page: what `kotta status ARRAY` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from kotta.models import JobState
from kotta.models.array import PARAMETER
from kotta_cli.render.pages import Section, Span
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, failure, run_seconds, status_word
from kotta_cli.render.times import ago, duration, local_time, rfc3339

if TYPE_CHECKING:
    from kotta.models import Job, JobDetail

MAX_ROWS = 20
"""So many jobs have rows of their own; of more, some that failed and the slowest."""
MAX_FAILED, MAX_SLOWEST = 10, 3
_BAR_CELLS = 24
_NAME_CHARS = 60


class ArrayPage:
    """The heading and sections for the jobs of one array.

    Args:
        jobs: all of them.
        for_terminal: short ids and the reader's own clock, else full values and UTC.
    """

    def __init__(
        self, jobs: Sequence[Job], *, for_terminal: bool, now: datetime | None = None
    ) -> None:
        self._jobs = sorted(jobs, key=lambda job: job.array_index or 0)
        self._for_terminal = for_terminal
        self._now = now or datetime.now(timezone.utc)
        self._ended = [job for job in self._jobs if job.status.is_terminal]

    @property
    def shown(self) -> list[Job]:
        """The jobs that have a row."""
        if len(self._jobs) <= MAX_ROWS or not self._for_terminal:
            return self._jobs
        return [*self._failed[:MAX_FAILED], *self._slowest]

    @property
    def heading(self) -> list[Span]:
        done = _BAR_CELLS * len(self._ended) // len(self._jobs)
        return [
            (name_of(self._jobs), "bold"),
            ("\n", ""),
            ("█" * done, "green"),
            ("·" * (_BAR_CELLS - done), "dim"),
            (f"  {len(self._ended)} of {len(self._jobs)} jobs have ended", ""),
        ]

    def sections(self, details: Mapping[str, JobDetail]) -> list[Section]:
        """What is known of them; with each job's values where its details are given, by id."""
        if len(self._jobs) <= MAX_ROWS or not self._for_terminal:
            rows = [self._rows("Jobs", self._jobs, details)]
        else:
            rows = [
                self._rows("Failed", self._failed[:MAX_FAILED], details),
                self._rows("Slowest", self._slowest, details),
            ]
        return [self._facts(), *rows, self._next()]

    @property
    def _failed(self) -> list[Job]:
        return [job for job in self._jobs if job.status is JobState.FAILED]

    @property
    def _slowest(self) -> list[Job]:
        completed = [job for job in self._jobs if job.status is JobState.COMPLETED]
        return sorted(completed, key=_seconds, reverse=True)[:MAX_SLOWEST]

    def _facts(self) -> Section:
        facts, jobs = Section(), self._jobs
        if not self._for_terminal:
            facts.add("Name", name_of(jobs))
        facts.add("Array", str(jobs[0].array))
        facts.add("Jobs", str(len(jobs)))
        for state, count in counts(jobs).items():
            style = COLORS[JobState(state)]
            facts.add(state, (str(count), style))
        facts.add("Queue", jobs[0].queue)
        facts.add("Submitted", *self._moment(jobs[0].submitted_at))
        if (ended := ended_at(jobs)) is not None:
            facts.add("Ended", *self._moment(ended))
        times = [seconds for job in jobs if (seconds := run_seconds(job)) is not None]
        if times:
            mean, most = self._lasted(sum(times) / len(times)), self._lasted(max(times))
            facts.add("Took", f"{mean} each on average, {most} at most")
        return facts

    def _lasted(self, seconds: float) -> str:
        return duration(seconds) if self._for_terminal else f"{seconds:.3f} s"

    def _rows(self, title: str, jobs: Sequence[Job], details: Mapping[str, JobDetail]) -> Section:
        section = Section(title)
        for job in jobs:
            values = values_of(details[job.id]) if job.id in details else ""
            why = failure(job) if job.status is JobState.FAILED else ""
            if self._for_terminal:
                section.add(f"[{job.array_index}] {job.id[:8]}", *_cells(job, why, values))
            else:
                time = run_seconds(job)
                took = "" if time is None else self._lasted(time)
                words = [word for word in (job.status.value, took, why, values) if word]
                section.add(f"[{job.array_index}] {job.id}", ", ".join(words))
        return section

    def _next(self) -> Section:
        section, jobs = Section("Next"), self._jobs
        array = str(jobs[0].array)
        name = array[:8] if self._for_terminal else array
        if len(self._ended) < len(jobs):
            section.add("Follow", (f"kotta wait {name}", "bold"))
            section.add("End them", (f"kotta cancel {name}", "bold"))
        elif any(job.status is JobState.COMPLETED for job in jobs):
            section.add("Download", (f"kotta fetch {name}", "bold"))
        if failed := self._failed:
            first = failed[0].id[:8] if self._for_terminal else failed[0].id
            section.add("Why", (f"kotta why {first}", "bold"))
        return section

    def _moment(self, moment: datetime) -> list[str | Span]:
        if not self._for_terminal:
            return [rfc3339(moment)]
        return [f"{ago(moment, self._now):<14}", (local_time(moment), "dim")]


def is_array(selectors: Sequence[str], jobs: Sequence[Job]) -> bool:
    """Whether one array was named, and these are its jobs."""
    if len(selectors) != 1 or len(jobs) < 2 or jobs[0].array is None:
        return False
    word = selectors[0]
    names_states_or_tags = word.startswith(("@", "tag=")) or any(sign in word for sign in "*?")
    return not names_states_or_tags and all(job.array == jobs[0].array for job in jobs)


def array_shape(jobs: Sequence[Job]) -> dict[str, Any]:
    """The same as an object."""
    ordered = sorted(jobs, key=lambda job: job.array_index or 0)
    shapes = [job.model_dump(mode="json") for job in ordered]
    last = max(range(len(ordered)), key=lambda index: ordered[index].change)
    is_over = all(job.status.is_terminal for job in ordered)
    return {
        "array": ordered[0].array,
        "name": name_of(ordered),
        "counts": counts(ordered),
        "submitted_at": shapes[0]["submitted_at"],
        "ended_at": shapes[last]["ended_at"] if is_over else None,
        "jobs": shapes,
    }


def counts(jobs: Sequence[Job]) -> dict[str, int]:
    """How many jobs are in each state, of the states that there are."""
    found = Counter(job.status for job in jobs)
    return {state.value: found[state] for state in JobState if found[state]}


def name_of(jobs: Sequence[Job]) -> str:
    """What an array is called: what the names of its jobs begin with."""
    first = jobs[0]
    stem = first.name.removesuffix(f"[{first.array_index}]")
    if all(job.name == f"{stem}[{job.array_index}]" for job in jobs):
        return stem
    return f"{first.name} and {len(jobs) - 1} more"


def ended_at(jobs: Sequence[Job]) -> datetime | None:
    """When the last of them ended, None while one has not."""
    moments = [job.ended_at for job in jobs if job.ended_at is not None]
    return max(moments) if len(moments) == len(jobs) else None


def values_of(job: JobDetail) -> str:
    """The values that it has in its array, such as `lr=0.1 seed=3`."""
    env: Mapping[str, Any] = job.description.get("env") or {}
    words = " ".join(
        f"{name.removeprefix(PARAMETER)}={value}"
        for name, value in env.items()
        if name.startswith(PARAMETER)
    )
    shown = one_line(words)
    return shown if len(shown) <= _NAME_CHARS else f"{shown[:_NAME_CHARS]}…"


def _cells(job: Job, why: str, values: str) -> list[Span]:
    time = run_seconds(job)
    return [
        (f"{status_word(job.status):<18}", COLORS[job.status]),
        ("" if time is None else f"  {duration(time):<8}", ""),
        (f"  {why}" if why else "", "red"),
        (f"  {values}" if values else "", "dim"),
    ]


def _seconds(job: Job) -> float:
    return run_seconds(job) or 0.0
