"""Where a job's stdout and stderr lie, and where in them a reader wants to begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from kotta.models import JobDescription
from kotta_service import usage
from kotta_service.attempt_files import AttemptFile
from kotta_service.executors import Key
from kotta_service.jobs import attempt_of
from kotta_service.parts import Parts
from kotta_service.storage import Content, Kept
from kotta_service.storage.taking import OUTPUTS
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
        self._directory = parts.executors.directory(Key(row.id, self.attempt))
        self._places = self._known_places(parts, row)

    def is_longer_than(self, size: int) -> bool:
        """Whether it has grown beyond `size` bytes, as far as this machine's disk tells."""
        for place in self._places:
            if isinstance(place, AttemptFile) or place.path is not None:
                with place.opened() as file:
                    if file is not None:
                        return file.size > size
        return False

    def read(self, start: Start) -> Piece:
        """What there is from `start` on, at most `MAX_BYTES`."""
        with self._opened() as file:
            if file is None:
                return Piece(b"", start.offset, 0)
            size = file.size
            offset = self._begin(file, size, start)
            content = file.read(offset, MAX_BYTES)
            return Piece(content, offset, max(size, offset + len(content)))

    def _begin(self, file: Content, size: int, start: Start) -> int:
        offset = start.offset
        if start.since is not None:
            length = usage.length_at(self._directory, self._stream, start.since)
            # a line that was half written then is told whole
            offset = _after_newline(file, min(length or 0, size), 1)
        if start.tail is not None:
            offset = max(offset, _tail(file, size, start.tail))
        return offset

    @contextmanager
    def _opened(self) -> Iterator[Content | None]:
        for place in self._places:
            with place.opened() as file:
                if file is not None:
                    yield file
                    return
        yield None

    def _known_places(self, parts: Parts, row: JobRow) -> list[Kept | AttemptFile]:
        """Where it lies while its job runs, and where it is moved afterwards."""
        description = JobDescription.model_construct(**row.description)
        names = {"stdout": description.output_file_stdout, "stderr": description.output_file_stderr}
        if self._stream == "stderr" and names["stderr"] == names["stdout"]:
            return []
        return [
            AttemptFile(self._directory, self._stream),
            AttemptFile(self._directory, names[self._stream], OUTPUTS),
            parts.storage.output(row.id, self.attempt, names[self._stream]),
        ]


def _tail(file: Content, size: int, lines: int) -> int:
    """Where the last `lines` lines begin; what follows the last newline counts as one."""
    if not lines or not size:
        return size
    # the newline that ends the last line begins no other
    ends_whole = file.read(size - 1, 1) == b"\n"
    return _after_newline(file, size, lines + ends_whole)


def _after_newline(file: Content, end: int, count: int) -> int:
    """The place behind the newline that is number `count` before `end`; 0 if there are fewer."""
    position, furthest = end, max(0, end - MAX_LOOK_BACK_BYTES)
    while position > furthest:
        begin = max(furthest, position - _BLOCK_BYTES)
        block = file.read(begin, position - begin)
        found = block.count(b"\n")
        if found >= count:
            place = len(block)
            for _ in range(count):
                place = block.rindex(b"\n", 0, place)
            return begin + place + 1
        count -= found
        position = begin
    return position
