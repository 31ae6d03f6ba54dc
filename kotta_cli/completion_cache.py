"""What the shell completes from: the newest jobs this user has seen, in a small file.

Ordinary commands write it, `kotta __complete` reads it; so completion asks no service. It is plain
tab-separated text because reading JSON would cost more than starting Python may.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kotta.models import Job, Queue

MAX_JOBS = 200

JobLine = tuple[str, str, str, str]
"""Submission time (seconds since 1970), job id, state, name."""


def cache_path(service: str | None = None) -> str:
    """The file for one service, by its profile's name or address; None: as the environment says."""
    service = service or os.environ.get("KOTTA_PROFILE") or os.environ.get("KOTTA_SERVER")
    # One file a service, so that one's jobs are never offered for another.
    name = "".join(char if char.isalnum() else "-" for char in service or "local")[:80]
    return os.path.join(_cache_directory(), f"completion-{name}.tsv")


def read(path: str) -> tuple[list[JobLine], list[str]]:
    """The remembered jobs, newest first, and queue names; both empty where there is no file."""
    jobs: list[JobLine] = []
    queues: list[str] = []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                kind, *fields = line.rstrip("\n").split("\t")
                if kind == "job" and len(fields) == 4:
                    jobs.append((fields[0], fields[1], fields[2], fields[3]))
                elif kind == "queue" and fields:
                    queues.append(fields[0])
    except OSError:
        pass
    return jobs, queues


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
            _field(job.id),
            job.status.value,
            _field(job.name),
        )
    newest = sorted(by_id.values(), key=lambda line: float(line[0]), reverse=True)[:MAX_JOBS]
    names = old_queues if queues is None else [_field(queue.name) for queue in queues]
    text = "".join("\t".join(("job", *line)) + "\n" for line in newest)
    text += "".join(f"queue\t{name}\n" for name in names)
    # A full or read-only disk only costs the completion of names.
    with suppress(OSError):
        _replace(path, text)


def _field(text: str) -> str:
    from kotta_cli.render.plain_text import one_line

    return one_line(text)


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


def _cache_directory() -> str:
    # As `platformdirs.user_cache_dir("kotta")` has it, without its import. A test compares them.
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        return os.path.join(base, "kotta", "kotta", "Cache")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "kotta")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "kotta")
