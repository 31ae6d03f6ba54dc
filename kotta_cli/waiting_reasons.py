"""Why a pending job does not run yet: what it comes after, its place, and which limit holds it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from kotta.errors import ConflictError
from kotta.models import JobState
from kotta_cli.explaining import sentence
from kotta_cli.render.times import duration, size, so_far

if TYPE_CHECKING:
    from kotta import Kotta
    from kotta.models import ClusterWait, Job, JobDetail, Place, Queue
    from kotta.models.accounts import Limit
    from kotta_cli.explaining import Explanation

MAX_SHOWN = 3


def tell_why_it_waits(found: Explanation, client: Kotta, job: JobDetail) -> JobDetail | None:
    """Add what is known; the result is the job as it is now, if it waits no longer."""
    name = job.id[:8]
    try:
        place = client.place(job)
    except ConflictError as error:
        found.sentences.append(sentence(error.message))
        found.commands += ["kotta queues", f"kotta cancel {name}"]
        return None
    if place.job.status is not JobState.PENDING:
        return client.status(job)
    if job.attempt:
        found.sentences.append(f"Attempt {job.attempt} was lost, and it is to be tried again.")
    if place.needs:
        _needs(found, job, place)
        return None
    if place.cluster is not None:
        _waits_elsewhere(found, place.cluster, job)
        return None
    queue = place.queue
    if place.limit is not None:
        _limit(found, place.limit, job)
        return None
    if place.position == 1:
        found.sentences.append(f"It is the next to start in queue {queue.name}.")
    else:
        found.sentences.append(
            f"It is number {place.position} of those that wait in queue {queue.name}, which start "
            "in order."
        )
    head = job if place.position == 1 else place.next_up
    if head is not None and _never_fits(head, queue):
        found.sentences.append(
            f"{_whose(head, job)} asks for {_resources(head)}, and the queue has only "
            f"{_cores(queue.cpus)} and {size(queue.memory_mib << 20)}: it can never start."
        )
        found.commands.append(f"kotta cancel {head.id[:8]}")
    elif place.head_lacks:
        _lack(found, place, head, job)
    elif queue.executor != "local":
        found.sentences.append(
            f"It is handed to {_engine(queue.executor)} once fewer jobs of the queue wait there."
        )
    else:
        found.sentences.append("There is room for it, so it starts in a moment.")
    if place.head_lacks:
        _what_runs(found, place)
    found.commands += ["kotta queues", f"kotta wait {name}"]
    return None


def _needs(found: Explanation, job: JobDetail, place: Place) -> None:
    names = [f"{each.id[:8]} ({each.name}, {each.status.value})" for each in place.needs]
    shown = names[:MAX_SHOWN]
    more = max(job.waits_for, len(names)) - len(shown)
    if more > 0:
        shown.append(f"{more} more")
    all_of_them = ", ".join(shown[:-1]) + (" and " if shown[:-1] else "") + shown[-1]
    have = "has" if len(shown) == 1 else "have"
    found.sentences.append(f"It comes after {all_of_them}, and starts once that {have} completed.")
    found.commands += [f"kotta why {place.needs[0].id[:8]}", f"kotta wait {job.id[:8]}"]


def _limit(found: Explanation, limit: Limit, job: JobDetail) -> None:
    """It waits for its owner's other jobs, however much room there is."""
    if limit.name == "running":
        words = f"Of {job.owner}'s jobs {limit.limit} may run at once, and {limit.used} do."
    else:
        words = (
            f"{job.owner}'s jobs may use {_cores(limit.limit)} at once, they use {limit.used}, and "
            f"it asks for {_cores(job.cpus)}."
        )
    found.sentences += [words, "It starts once enough of them have ended; others go first."]
    found.commands += ["kotta whoami", "kotta list --status processing", f"kotta wait {job.id[:8]}"]


def _waits_elsewhere(found: Explanation, wait: ClusterWait, job: JobDetail) -> None:
    """It waits in the queue of a cluster's scheduler, which alone knows for what."""
    engine = _engine(wait.name)
    known_as = f", as job {wait.native_id}" if wait.native_id else ""
    found.sentences.append(f"It waits in the queue of {engine}{known_as}.")
    if wait.words:
        word = f" ({engine}: {wait.reason})" if wait.reason not in ("", "None") else ""
        found.sentences.append(sentence(wait.words + word))
    if wait.starts_at is not None:
        seconds = (wait.starts_at - datetime.now(timezone.utc)).total_seconds()
        when = f"in {so_far(seconds)}" if seconds > 0 else "about now"
        found.sentences.append(f"{engine} expects it to start {when}.")
    found.commands += ["kotta queues", f"kotta wait {job.id[:8]}"]


def _engine(name: str) -> str:
    return name[:1].upper() + name[1:]


def _lack(found: Explanation, place: Place, head: Job | None, job: JobDetail) -> None:
    queue = place.queue
    if place.head_lacks == "cpus":
        free = max(0, queue.cpus - queue.cpus_used)
        wants = "more than that" if head is None else _cores(head.cpus)
        are = "are" if free > 1 else "is"
        has = f"{free or 'none'} of the queue's {_cores(queue.cpus)} {are} free"
    else:
        free_text = size(max(0, queue.memory_mib - queue.memory_used_mib) << 20)
        wants = "more than that" if head is None else size(head.memory_mib << 20) + " of memory"
        has = f"{free_text} of the queue's {size(queue.memory_mib << 20)} are free"
    whose = "The first of them" if head is None else _whose(head, job)
    found.sentences.append(f"{whose} needs {wants}, and {has}.")


def _what_runs(found: Explanation, place: Place) -> None:
    now = datetime.now(timezone.utc)
    shown = place.running[:MAX_SHOWN]
    for other in shown:
        runs = "is being started"
        if other.started_at is not None:
            seconds = max((now - other.started_at).total_seconds(), 0)
            runs = f"has run {so_far(seconds)} of {duration(other.walltime_seconds)}"
        found.sentences.append(
            f"{other.id[:8]} ({other.name}) has {_resources(other)}, and {runs}."
        )
    if (more := place.queue.running - len(shown)) > 0:
        others = "other" if shown else "job"
        found.sentences.append(f"{more} {others}{'s run' if more > 1 else ' runs'} there.")


def _whose(head: Job, job: JobDetail) -> str:
    return "It" if head.id == job.id else f"The first, {head.id[:8]} ({head.name}),"


def _never_fits(job: Job, queue: Queue) -> bool:
    if queue.executor != "local":
        return False  # that was looked at when it was submitted, and nodes come and go
    return job.cpus > queue.cpus or job.memory_mib > queue.memory_mib


def _resources(job: Job) -> str:
    return f"{_cores(job.cpus)} and {size(job.memory_mib << 20)}"


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
