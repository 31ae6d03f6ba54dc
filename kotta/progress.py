"""A line on stderr that says how far a job is, redrawn in place where that can be done."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO

from kotta.models import Job


class ProgressLine:
    """One line on a terminal or in a notebook; elsewhere a line for each new state."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._redraws = self._stream.isatty() or _in_notebook()
        self._shown = ""

    def show(self, job: Job, waited_seconds: float) -> None:
        """Draws the job's state, and how long it has been waited for."""
        line = f"{_plain(job.name)}: {job.status.value}"
        if self._redraws:
            line += f", {waited_seconds:.0f} s"
        if line == self._shown:
            return
        if self._redraws:
            # spaces wipe out what was longer before
            self._stream.write("\r" + line.ljust(len(self._shown)))
        else:
            self._stream.write(line + "\n")
        self._stream.flush()
        self._shown = line

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._redraws and self._shown:
            self._stream.write("\n")
            self._stream.flush()


def _in_notebook() -> bool:
    """Whether IPython's kernel draws our output: no terminal, but it follows carriage returns."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
