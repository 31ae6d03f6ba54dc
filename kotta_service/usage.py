"""What runners have sampled of their jobs, read from the attempts' directories."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kotta.models import Usage, UsageSample
from kotta_service.attempt_files import opened_folder, parsed, read
from kotta_service.store.jobs import JobRow

FILE = "usage.jsonl"
RECORD = "exit.json"
"""Of a job that was short it has the samples."""
_MOST, _MOST_BYTES = 10_000, 2 << 20
"""A runner keeps far fewer."""


def usage(row: JobRow, attempt: int, directory: Path) -> Usage:
    """What an attempt of a job has used so far; without samples where there are none."""
    return Usage(
        id=row.id,
        attempt=attempt,
        cpus=row.cpus,
        memory_mib=row.memory_mib,
        walltime_seconds=row.walltime_seconds,
        samples=_with_cores(list(_samples(directory))),
    )


def length_at(directory: Path, stream: str, moment: float) -> int | None:
    """How long `stdout` or `stderr` was at the last sample up to `moment`, seconds since 1970.

    None: no sample tells, and it may have been of any length.
    """
    known = None
    for sample in _samples(directory):
        if sample.at.timestamp() > moment:
            return 0 if known is None else known
        known = sample.stdout_bytes if stream == "stdout" else sample.stderr_bytes
    return known


def _samples(directory: Path) -> Iterator[UsageSample]:
    for values in _noted(directory):
        try:
            at = datetime.fromtimestamp(values["at"], timezone.utc)
            yield UsageSample.model_validate({**values, "at": at})
        except (ValueError, KeyError, TypeError, OverflowError, ValidationError):
            continue


def _noted(directory: Path) -> list[Any]:
    """The samples as they were written."""
    with opened_folder(directory) as folder:
        content = None if folder is None else read(folder, FILE, _MOST_BYTES)
        record = None
        if folder is not None and content is None:
            record = parsed(read(folder, RECORD))
    if content is None:
        found = (record or {}).get("samples")
        return found[:_MOST] if isinstance(found, list) else []
    # one that is cut by a full disk, or by a runner that was killed, is none
    values = map(parsed, content.splitlines()[:_MOST])
    return [value for value in values if value is not None]


def _with_cores(samples: list[UsageSample]) -> list[UsageSample]:
    found = samples[:1]
    for before, sample in pairwise(samples):
        seconds = sample.seconds - before.seconds
        used = max(0.0, sample.cpu_seconds - before.cpu_seconds)
        cores = round(used / seconds, 3) if seconds > 0 else None
        found.append(sample.model_copy(update={"cores": cores}))
    return found
