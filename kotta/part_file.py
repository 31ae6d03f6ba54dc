"""What has come of a file that is on its way: kept aside until it is whole, resumed after a cut.

A large file comes in segments, side by side; how much of each has come is kept in a small file
beside, so that whatever ends the process, the next one asks only for the rest. Neither is trusted:
what counts in the end is the hash of all the bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kotta.errors import ConflictError
from kotta.models import Output
from kotta.models.field_values import MAX_NAME_BYTES
from kotta.workers import Stop

SEGMENT_BYTES = 8 << 20
MAX_SEGMENTS = 4096
"""Of a very large file the segments are larger; a service may say any size."""
HASH_BYTES = 1 << 20
_HAVE = struct.Struct("<Q")


@dataclass
class Segment:
    """A piece of the file, and how many of its bytes have come."""

    number: int
    begin: int
    end: int
    have: int = 0

    @property
    def is_whole(self) -> bool:
        return self.begin + self.have >= self.end


class Part:
    """A file on its way; several threads may write its segments, one each.

    Attributes:
        segments: in order; one that covers all where the file is small or comes in one stream.
        have_bytes: how much has come.
    """

    def __init__(self, path: Path, descriptor: int, size_bytes: int) -> None:
        self._path = path
        self._beside = path.with_name(f"{path.name[:-5]}.have")
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._size = size_bytes
        self._progress = threading.Condition()
        self._record: int | None = None
        self.segments = _segments(size_bytes)
        self.have_bytes = 0
        self._recall()

    def write(self, segment: Segment, chunk: bytes) -> None:
        """Puts the next bytes of a segment into their place."""
        place = segment.begin + segment.have
        if hasattr(os, "pwrite"):
            _write_at(self.fileno(), place, chunk)
        else:
            # two threads would move one position
            with self._progress:
                _write_at(self.fileno(), place, chunk)
        self.advance(segment, len(chunk))

    def advance(self, segment: Segment, count: int) -> None:
        """Tells that the next bytes of a segment are in their place."""
        with self._progress:
            segment.have += count
            self.have_bytes += count
            if self._record is not None:
                _write_at(self._record, segment.number * _HAVE.size, _HAVE.pack(segment.have))
            # who hashes is not woken for every chunk
            if segment.is_whole or segment.have % HASH_BYTES < count:
                self._progress.notify_all()

    def restart(self, segment: Segment) -> None:
        """Forgets what has come of the only segment, which begins again."""
        self._file.truncate(0)
        segment.have = self.have_bytes = 0

    def begin_again(self, *, in_one: bool = False) -> None:
        """Forgets what has come; `in_one` makes it a single segment from now on."""
        self._forget_record()
        self._file.truncate(0)
        self.segments = [Segment(0, 0, self._size)] if in_one else _segments(self._size)
        self._recall()

    def digest(self, stop: Stop) -> str:
        """SHA-256 in hex of all the bytes, read as they come; waits for those that have not."""
        digest = hashlib.sha256()
        with open(self._path, "rb", buffering=0) as file:
            buffer = memoryview(bytearray(HASH_BYTES))
            for segment in self.segments:
                done = 0
                while done < segment.end - segment.begin:
                    wanted = min(self._come(segment, done, stop) - done, HASH_BYTES)
                    count = file.readinto(buffer[:wanted])
                    if not count:
                        return ""
                    digest.update(buffer[:count])
                    done += count
        return digest.hexdigest()

    def name_it(self, target: Path) -> None:
        """Gives the file its name, in place of what has it now."""
        self._file.truncate(self._size)
        os.replace(self._path, target)
        self._forget_record()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        if self._record is not None:
            os.close(self._record)
            self._record = None

    def _come(self, segment: Segment, done: int, stop: Stop) -> int:
        """How many bytes of a segment have come, once it is enough to be worth hashing."""
        length = segment.end - segment.begin
        with self._progress:
            while segment.have < min(done + HASH_BYTES, length):
                stop.check()
                self._progress.wait(0.2)
        return segment.have

    def _recall(self) -> None:
        """Takes up what an earlier fetch has left."""
        length = os.fstat(self.fileno()).st_size
        if len(self.segments) == 1:
            if length > self._size:
                self._file.truncate(length := 0)
            self.segments[0].have = self.have_bytes = length
            return
        record = os.open(self._beside, _flags() | (0 if length else os.O_TRUNC), 0o666)
        width = len(self.segments) * _HAVE.size
        kept = os.read(record, width)
        if len(kept) == width:
            known = [have for (have,) in _HAVE.iter_unpack(kept)]
        else:
            # none, or of something else: what is there came in order, if it came at all
            known = [length - segment.begin for segment in self.segments]
        for segment, have in zip(self.segments, known, strict=True):
            lies_here = min(length, segment.end) - segment.begin
            segment.have = max(0, min(have, lies_here))
        _write_at(record, 0, b"".join(_HAVE.pack(each.have) for each in self.segments))
        self._record = record
        self.have_bytes = sum(segment.have for segment in self.segments)

    def _forget_record(self) -> None:
        if self._record is not None:
            os.close(self._record)
            self._record = None
        self._beside.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(target: Path, output: Output) -> Iterator[Part]:
    """What has come of an output so far; nobody else has it meanwhile.

    Raises:
        ConflictError: another fetch has it.
    """
    path = aside(target, output)
    part = Part(path, locked(path), output.size_bytes or 0)
    try:
        yield part
    finally:
        part.close()


def aside(target: Path, output: Output) -> Path:
    """Where an output lies until it is whole: hidden beside its place, named by its content."""
    mark = f".{(output.sha256 or '')[:8]}.part"
    room = MAX_NAME_BYTES - len(mark) - 1
    name = target.name.encode()[:room].decode(errors="ignore")
    return target.with_name(f".{name}{mark}")


def locked(path: Path) -> int:
    """A descriptor of a file that only one fetch at a time has.

    Raises:
        ConflictError: another fetch has it.
    """
    while True:
        descriptor = os.open(path, _flags(), 0o666)
        try:
            _lock(descriptor, path)
            if os.name == "nt" or _is_still(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # it got its name while we waited for the lock: what we hold is somebody's finished file
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    with contextlib.suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another fetch is writing {path}", hint="wait for its end, then repeat this"
            ) from None
        except OSError:
            pass  # a file system without locks


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _flags() -> int:
    return os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def _segments(size: int) -> list[Segment]:
    length = max(SEGMENT_BYTES, -(-size // MAX_SEGMENTS))
    begins = range(0, max(size, 1), length)
    return [Segment(n, begin, min(begin + length, size)) for n, begin in enumerate(begins)]


def _write_at(descriptor: int, place: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        if hasattr(os, "pwrite"):
            count = os.pwrite(descriptor, left, place)
        else:
            os.lseek(descriptor, place, os.SEEK_SET)
            count = os.write(descriptor, left)
        place, left = place + count, left[count:]
