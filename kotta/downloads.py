"""Brings one output over HTTP: its segments side by side, cuts mended, the whole verified.

A service (or what stands before it) may cut connections, ignore ranges, or send something else
than it announced. The file gets its name only if all of it has the right hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kotta import part_file
from kotta.api import Api
from kotta.contents import Progress
from kotta.errors import ConnectionFailedError, TransferError
from kotta.models import Output
from kotta.part_file import SEGMENT_BYTES, Part, Segment
from kotta.workers import Stop, together

TRIES = 5
"""How often in a row a download may be cut without a single byte having come."""


@dataclass(frozen=True)
class Item:
    """One output that is to be brought.

    Attributes:
        label: what to call it where progress is told.
    """

    job_id: str
    output: Output
    target: Path
    label: str

    @property
    def size_bytes(self) -> int:
        return self.output.size_bytes or 0

    @property
    def etag(self) -> str:
        return f'"{self.output.sha256}"'


class SentWholeError(Exception):
    """The service sent all of the file where a piece was asked for."""


def download(api: Api, item: Item, progress: Progress, stop: Stop, connections: int) -> None:
    """Brings a file; returns once it has its name.

    Raises:
        TransferError: what came is not what was promised; it was thrown away.
        ConnectionFailedError: it was cut again and again; what has come is kept.
        ConflictError: another fetch is bringing it.
    """

    def receive(part: Part, stop: Stop) -> None:
        if len(part.segments) == 1:
            _mended(part.segments[0], partial(_ask_for_rest, api, item, part, progress, stop))
            return
        together(
            (
                partial(_mended, each, partial(_ask_for_segment, api, item, part, progress, stop))
                for each in part.segments
                if not each.is_whole
            ),
            connections,
            stop,
        )

    complete(item, stop, receive)


def complete(item: Item, stop: Stop, receive: Callable[[Part, Stop], None]) -> None:
    """Lets `receive` fill what a part lacks while it is hashed, until the hash is right."""
    with part_file.opened(item.target, item.output) as part:
        while True:
            is_fresh = not part.have_bytes
            try:
                if _filled(part, item, stop, receive):
                    part.name_it(item.target)
                    return
            except SentWholeError:
                part.begin_again(in_one=True)
                continue
            part.begin_again()
            if is_fresh:
                raise damaged(item.output.name)
            # what lay there from before was not the beginning of it: all of it once more


def damaged(name: str) -> TransferError:
    """The error for bytes that are not those that were promised."""
    return TransferError(
        f"{name} did not arrive as the service keeps it, and was thrown away",
        hint="repeat the command; if it happens again, the service's copy is damaged",
    )


def too_long(name: str) -> TransferError:
    """The error for more bytes than were promised."""
    return TransferError(f"{name}: the service sends more than it said")


def _filled(part: Part, item: Item, stop: Stop, receive: Callable[[Part, Stop], None]) -> bool:
    """Whether the bytes are the right ones, once all have come."""
    if item.size_bytes <= SEGMENT_BYTES:
        receive(part, stop)
        return part.digest(stop) == item.output.sha256
    found: list[str] = []
    # a stop of its own: that a service ignores ranges must not end what others do
    own = Stop(stop)
    together(
        [lambda: receive(part, own), lambda: found.append(part.digest(own))], threads=2, stop=own
    )
    return found == [item.output.sha256]


def _mended(segment: Segment, ask: Callable[[Segment], None]) -> None:
    """Asks until all of a segment is there."""
    cuts = 0
    while not segment.is_whole:
        before = segment.have
        try:
            ask(segment)
        except ConnectionFailedError:
            # what has come is kept, and the next round asks for the rest
            cuts = cuts + 1 if segment.have <= before else 0
            if cuts == TRIES:
                raise


def _ask_for_rest(
    api: Api, item: Item, part: Part, progress: Progress, stop: Stop, segment: Segment
) -> None:
    with api.output(item.job_id, item.output.name, segment.have, item.etag) as (begins, chunks):
        if begins != segment.have:
            part.restart(segment)
        _keep(item, part, segment, chunks, progress, stop)


def _ask_for_segment(
    api: Api, item: Item, part: Part, progress: Progress, stop: Stop, segment: Segment
) -> None:
    begin = segment.begin + segment.have
    with api.output_range(item.job_id, item.output.name, begin, segment.end, item.etag) as chunks:
        if chunks is None:
            raise SentWholeError
        _keep(item, part, segment, chunks, progress, stop)


def _keep(
    item: Item,
    part: Part,
    segment: Segment,
    chunks: Iterator[bytes],
    progress: Progress,
    stop: Stop,
) -> None:
    length = segment.end - segment.begin
    for chunk in chunks:
        stop.check()
        if segment.have + len(chunk) > length:
            raise too_long(item.output.name)
        part.write(segment, chunk)
        progress(item.label, part.have_bytes, item.size_bytes)
    if segment.have < length:
        raise ConnectionFailedError(
            f"{item.output.name}: {part.have_bytes} of {item.size_bytes} bytes arrived"
        )
