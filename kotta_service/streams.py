"""Where a job's stdout and stderr lie, and where in them a reader wants to begin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kotta.models import JobDescription
from kotta_service import usage
from kotta_service.executors import Key
from kotta_service.jobs import attempt_of
from kotta_service.parts import Parts
from kotta_service.store.jobs import JobRow

MAX_BYTES = 1 << 20
"""Of one piece."""
MAX_LOOK_BACK_BYTES = 64 << 20
"""The beginning of a line is looked for so far back at most."""
_BLOCK_BYTES = 64 << 10
Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True)
class Start:
    """Where to begin: at a byte, so many lines before the end, or with what came since a moment.

    Attributes:
        since: seconds since 1970. With `tail` as well, the later of the two places counts.
    """

    offset: int = 0
    tail: int | None = None
    since: float | None = None


@dataclass(frozen=True)
class Piece:
    """Some bytes of a stream.

    Attributes:
        offset: where they begin.
        size: how long the stream is now.
    """

    content: bytes
    offset: int
    size: int

    @property
    def next_offset(self) -> int:
        return self.offset + len(self.content)


class StreamOfAttempt:
    """One stream of one attempt of a job, which need not exist yet.

    Args:
        row: the job with every column.
        attempt: 0 for the latest.

    Raises:
        NotFoundError: the job has not come to this attempt yet.
    """

    def __init__(self, parts: Parts, row: JobRow, attempt: int, stream: Stream) -> None:
        self.attempt = attempt_of(row, attempt)
        self._stream: Stream = stream
        self._directory = parts.executor.directory(Key(row.id, self.attempt))
        self._paths = self._places(parts, row)

    def is_longer_than(self, size: int) -> bool:
        """Whether it has grown beyond `size` bytes."""
        for path in self._paths:
            try:
                return path.stat().st_size > size
            except FileNotFoundError:
                continue
        return False

    def read(self, start: Start) -> Piece:
        """What there is from `start` on, at most `MAX_BYTES`."""
        with self._opened() as file:
            if file is None:
                return Piece(b"", start.offset, 0)
            size = os.fstat(file).st_size
            offset = self._begin(file, size, start)
            content = os.pread(file, MAX_BYTES, offset)
            return Piece(content, offset, max(size, offset + len(content)))

    def _begin(self, file: int, size: int, start: Start) -> int:
        offset = start.offset
        if start.since is not None:
            length = usage.length_at(self._directory, self._stream, start.since)
            # a line that was half written then is told whole
            offset = _after_newline(file, min(length or 0, size), 1)
        if start.tail is not None:
            offset = max(offset, _tail(file, size, start.tail))
        return offset

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        for path in self._paths:
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                yield file
            finally:
                os.close(file)
            return
        yield None

    def _places(self, parts: Parts, row: JobRow) -> list[Path]:
        """Where it lies while its job runs, and where its runner moves it afterwards."""
        description = JobDescription.model_construct(**row.description)
        names = {"stdout": description.output_file_stdout, "stderr": description.output_file_stderr}
        if self._stream == "stderr" and names["stderr"] == names["stdout"]:
            return []
        return [
            self._directory / self._stream,
            parts.storage.output_directory(row.id, self.attempt) / names[self._stream],
        ]


def _tail(file: int, size: int, lines: int) -> int:
    """Where the last `lines` lines begin; what follows the last newline counts as one."""
    if not lines or not size:
        return size
    # the newline that ends the last line begins no other
    ends_whole = os.pread(file, 1, size - 1) == b"\n"
    return _after_newline(file, size, lines + ends_whole)


def _after_newline(file: int, end: int, count: int) -> int:
    """The place behind the newline that is number `count` before `end`; 0 if there are fewer."""
    position, furthest = end, max(0, end - MAX_LOOK_BACK_BYTES)
    while position > furthest:
        begin = max(furthest, position - _BLOCK_BYTES)
        block = os.pread(file, position - begin, begin)
        found = block.count(b"\n")
        if found >= count:
            place = len(block)
            for _ in range(count):
                place = block.rindex(b"\n", 0, place)
            return begin + place + 1
        count -= found
        position = begin
    return position
