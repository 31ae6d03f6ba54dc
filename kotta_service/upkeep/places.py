"""Where in a data directory attempts lie, and which lie there: as the executors put them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class Places:
    """The attempts below a data directory."""

    def __init__(self, data: Path) -> None:
        self.data = data
        # the last two may be links to folders that lie elsewhere
        self._roots = (data / "jobs", data / "slurm" / "jobs", data / "parsl" / "jobs")

    def attempt_directory(self, job_id: str, attempt: int) -> Path:
        found = [root / job_id[:2] / f"{job_id}.{attempt}" for root in self._roots]
        return next((path for path in found if path.is_dir()), found[0])

    def attempts(self) -> Iterator[tuple[Path, str, int]]:
        """Each attempt's directory, with the job's id and the attempt."""
        for root in self._roots:
            with contextlib.suppress(FileNotFoundError):
                for folder in sorted(os.listdir(root)):
                    with contextlib.suppress(NotADirectoryError, FileNotFoundError):
                        for name in os.listdir(root / folder):
                            job_id, _, attempt = name.rpartition(".")
                            number = int(attempt) if attempt.isdecimal() else 0
                            yield root / folder / name, job_id, number
