"""Writes down what a command has seen, for the shell to complete from; see `completion_cache`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kotta_cli.completion_cache import JobLine, cache_path, read
from kotta_cli.render.plain_text import one_line

if TYPE_CHECKING:
    from kotta.models import Job, Queue

MAX_JOBS = 200


def remember(
    service: str | None, *, jobs: Iterable[Job] = (), queues: Iterable[Queue] | None = None
) -> None:
    """Add what a command has just seen, and keep the newest jobs; never fails."""
    path = cache_path(service)
    old_jobs, old_queues = read(path)
    by_id = {line[1]: line for line in old_jobs}
    for job in jobs:
        by_id[job.id] = (
            f"{job.submitted_at.timestamp():.6f}",
            one_line(job.id),
            job.status.value,
            one_line(job.name),
        )
    newest = sorted(by_id.values(), key=_submitted, reverse=True)[:MAX_JOBS]
    names = old_queues if queues is None else [one_line(queue.name) for queue in queues]
    text = _text_of(newest, names)
    if text == _text_of(old_jobs, old_queues):
        return
    # A full or read-only disk only costs the completion of names.
    with suppress(OSError):
        _replace(path, text)


def _text_of(jobs: Sequence[JobLine], queues: Sequence[str]) -> str:
    lines = ["\t".join(("job", *line)) for line in jobs] + [f"queue\t{name}" for name in queues]
    return "".join(f"{line}\n" for line in lines)


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
