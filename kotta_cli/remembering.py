"""Writes down what a command has seen, for the shell to complete from; see `completion_cache`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from kotta_cli.completion_cache import JobLine, Remembered, array_name, cache_path, read
from kotta_cli.render.plain_text import one_line

if TYPE_CHECKING:
    from kotta.models import Job, Queue

MAX_JOBS = 200
MAX_TAGS = 100
MAX_OUTPUTS = 100
"""Of one job."""
MAX_JOBS_WITH_OUTPUTS = 50


def remember(
    service: str,
    *,
    jobs: Iterable[Job] = (),
    queues: Iterable[Queue] | None = None,
    outputs: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Add what a command has just seen, and keep the newest; never fails.

    Args:
        service: its `completion_cache.service_key`.
        outputs: names of files that jobs declare, by the id of the job, where `jobs` do not say.
    """
    path = cache_path(service)
    known = read(path)
    before = _text_of(known)
    seen = list(jobs)
    known.jobs = _newest(known.jobs, seen)
    known.arrays = list(dict.fromkeys([*_arrays_of(seen), *known.arrays]))
    if queues is not None:
        known.queues = [queue.name for queue in queues if _is_plain(queue.name)]
    known.tags = list(dict.fromkeys([*(tag for job in seen for tag in job.tags), *known.tags]))
    for job in seen:
        if (declared := getattr(job, "outputs", None)) is not None:
            known.outputs[job.id] = [output.name for output in declared]
    for job_id, names in (outputs or {}).items():
        known.outputs.setdefault(job_id, list(names))
    text = _text_of(known)
    if text == before:
        return
    # A full or read-only disk only costs the completion of names.
    with suppress(OSError):
        _replace(path, text)


def _newest(old: Iterable[JobLine], seen: Iterable[Job]) -> list[JobLine]:
    by_id = {line[1]: line for line in old}
    for job in seen:
        by_id[job.id] = (
            f"{job.submitted_at.timestamp():.6f}",
            one_line(job.id),
            job.status.value,
            one_line(job.name),
        )
    return sorted(by_id.values(), key=_submitted, reverse=True)[:MAX_JOBS]


def _arrays_of(jobs: Iterable[Job]) -> list[str]:
    """Names of arrays; one whose jobs have names of their own has none."""
    return [
        array_name(job.name)
        for job in jobs
        if job.array is not None and job.name.endswith(f"[{job.array_index}]")
    ]


def _text_of(known: Remembered) -> str:
    lines = ["\t".join(("job", *line)) for line in known.jobs]
    called = {array_name(line[3]) for line in known.jobs}
    lines += [f"array\t{name}" for name in known.arrays if name in called and _is_plain(name)]
    lines += [f"queue\t{name}" for name in known.queues]
    lines += [f"tag\t{tag}" for tag in known.tags[:MAX_TAGS] if _is_plain(tag)]
    newest = [line[1] for line in known.jobs if line[1] in known.outputs]
    for job_id in newest[:MAX_JOBS_WITH_OUTPUTS]:
        names = [name for name in known.outputs[job_id] if _is_plain(name)]
        lines += [f"output\t{job_id}\t{name}" for name in names[:MAX_OUTPUTS]]
    return "".join(f"{line}\n" for line in lines)


def _is_plain(name: str) -> bool:
    """Whether a name is the same after what is dangerous in it is removed: only then it helps."""
    return bool(name) and one_line(name) == name


def _submitted(line: JobLine) -> float:
    try:
        return float(line[0])
    except ValueError:
        return 0.0  # Somebody else wrote in the file; it is only a cache.


def _replace(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    # Readers must see the old file or the new one, never half of one.
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
