"""Where a stream of a job goes: on byte for byte, to a terminal, or into lines with labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from kotta_cli.render.as_json import print_json_line
from kotta_cli.render.plain_text import LogText, one_line
from kotta_cli.render.states import paint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kotta.models import Job
    from kotta_cli.context import App
    from kotta_cli.terminal import Terminal

MAX_LINE_BYTES = 1 << 20
"""A line that is shown whole is held back until it is whole, or so long."""
_LONGEST_NAME = 20
_LABEL_COLORS = ("cyan", "yellow", "green", "magenta", "blue")


class Sink:
    """Byte for byte."""

    def __init__(self, target: Terminal) -> None:
        self._target = target

    def write(self, chunk: bytes) -> None:
        self._target.write_bytes(chunk)

    def end(self) -> None:
        """Nothing follows: show what was held back, and leave a terminal as it was."""


class TerminalSink(Sink):
    """Without what could control the terminal, but for colours."""

    def __init__(self, target: Terminal) -> None:
        super().__init__(target)
        self._text = LogText()

    def write(self, chunk: bytes) -> None:
        self._target.write(self._text.feed(chunk))

    def end(self) -> None:
        self._target.write(self._text.end())


class LineSink(Sink, ABC):
    """Whole lines."""

    def __init__(self, target: Terminal) -> None:
        super().__init__(target)
        self._held = b""

    def write(self, chunk: bytes) -> None:
        whole, newline, self._held = (self._held + chunk).rpartition(b"\n")
        if newline:
            self._put(whole.split(b"\n"))
        if len(self._held) > MAX_LINE_BYTES:
            self.end()

    def end(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._put([held])

    @abstractmethod
    def _put(self, lines: list[bytes]) -> None: ...


class JsonSink(LineSink):
    """An object for each line."""

    def __init__(self, app: App, job: str, stream: str) -> None:
        super().__init__(app.out)
        self._app = app
        self._of = {"job": job, "stream": stream}

    def _put(self, lines: list[bytes]) -> None:
        for line in lines:
            print_json_line(self._app, {**self._of, "text": line.decode(errors="replace")})


class LabelledSink(LineSink):
    """Whole lines, each behind a label."""

    def __init__(self, target: Terminal, label: str) -> None:
        super().__init__(target)
        self._label = label

    def _put(self, lines: list[bytes]) -> None:
        label = self._label.encode()
        self._target.write_bytes(b"".join(label + line + b"\n" for line in lines))


class LabelledTerminalSink(LabelledSink):
    """The same on a terminal; of a line that carriage returns wrote over, its last state."""

    def _put(self, lines: list[bytes]) -> None:
        self._target.write("".join(self._label + _shown(line) + "\n" for line in lines))


def _shown(line: bytes) -> str:
    text = LogText()
    shown = text.feed(line) + text.end()
    # what stood there before lies behind the label
    return shown.rstrip("\r").rpartition("\r")[2]


def sink(target: Terminal, label: str | None) -> Sink:
    """The sink for a stream that goes to `target`."""
    if label is None:
        return TerminalSink(target) if target.is_tty else Sink(target)
    return LabelledTerminalSink(target, label) if target.is_tty else LabelledSink(target, label)


def labels(jobs: Sequence[Job], target: Terminal) -> list[str | None]:
    """What stands before the lines of each job: nothing where there is one job only.

    In a pipe that is its whole id and a tab.
    """
    if len(jobs) < 2:
        return [None for _ in jobs]
    if not target.is_tty:
        return [f"{job.id}\t" for job in jobs]
    from kotta_cli.render.job_table import short_length

    length = short_length([job.id for job in jobs])
    names = [one_line(job.name)[:_LONGEST_NAME] for job in jobs]
    width = max(len(name) for name in names)
    return [
        paint(
            f"{job.id[:length]} {name:<{width}} |",
            _LABEL_COLORS[place % len(_LABEL_COLORS)],
            target.color,
        )
        + " "
        for place, (job, name) in enumerate(zip(jobs, names, strict=True))
    ]
