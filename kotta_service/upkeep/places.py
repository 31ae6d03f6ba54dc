"""Where in a data directory things lie, and what lies there: as executors and storage put it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class Places:
    """The files below a data directory."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._attempts = data / "jobs"
        self._outputs = data / "files" / "outputs"
        self._uploads = data / "files" / "uploads"

    def attempt_directory(self, job_id: str, attempt: int) -> Path:
        return self._attempts / job_id[:2] / f"{job_id}.{attempt}"

    def output_directory(self, job_id: str, attempt: int) -> Path:
        return self._outputs / job_id[:2] / f"{job_id}.{attempt}"

    def upload(self, sha256: str) -> Path:
        return self._uploads / sha256[:2] / sha256

    def attempts(self) -> Iterator[tuple[Path, str, int]]:
        """Each attempt's directory, with the job's id and the attempt."""
        return _of_attempts(self._attempts)

    def outputs(self) -> Iterator[tuple[Path, str, int]]:
        """Each folder of outputs, with the job's id and the attempt."""
        return _of_attempts(self._outputs)

    def uploads(self) -> Iterator[Path]:
        """Each uploaded file."""
        return _two_below(self._uploads)


def _of_attempts(root: Path) -> Iterator[tuple[Path, str, int]]:
    for path in _two_below(root):
        job_id, _, attempt = path.name.rpartition(".")
        yield path, job_id, int(attempt) if attempt.isdecimal() else 0


def _two_below(root: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        for folder in sorted(os.listdir(root)):
            with contextlib.suppress(NotADirectoryError, FileNotFoundError):
                for name in os.listdir(root / folder):
                    yield root / folder / name
