"""Where in a data directory attempts lie, and which lie there: as the executor put them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class Places:
    """The attempts below a data directory."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._attempts = data / "jobs"

    def attempt_directory(self, job_id: str, attempt: int) -> Path:
        return self._attempts / job_id[:2] / f"{job_id}.{attempt}"

    def attempts(self) -> Iterator[tuple[Path, str, int]]:
        """Each attempt's directory, with the job's id and the attempt."""
        with contextlib.suppress(FileNotFoundError):
            for folder in sorted(os.listdir(self._attempts)):
                with contextlib.suppress(NotADirectoryError, FileNotFoundError):
                    for name in os.listdir(self._attempts / folder):
                        job_id, _, attempt = name.rpartition(".")
                        number = int(attempt) if attempt.isdecimal() else 0
                        yield self._attempts / folder / name, job_id, number
