"""Brings many small outputs of a job by one request: a file is not worth a round trip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kotta.api import Api
from kotta.contents import Progress
from kotta.copying import keep_small
from kotta.downloads import TRIES, Item, too_long
from kotta.errors import ConnectionFailedError
from kotta.workers import Stop

SMALL_BYTES = 1 << 20
"""What is larger comes by itself, and is resumed where it was cut."""
BATCH_BYTES = 8 << 20
BATCH_FILES = 200


def batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Items of one job, in bunches that are worth a request each."""
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and (size + item.size_bytes > BATCH_BYTES or len(batch) == BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size_bytes
    if batch:
        yield batch


def download_batch(api: Api, items: Sequence[Item], progress: Progress, stop: Stop) -> None:
    """Brings small files; each has its name as soon as it is there.

    Raises:
        TransferError: what came is not what was promised; it was thrown away.
        ConnectionFailedError: it was cut again and again.
    """
    left = list(items)
    cuts = 0
    while left:
        before = len(left)
        try:
            _ask(api, left, progress, stop)
        except ConnectionFailedError:
            cuts = cuts + 1 if len(left) == before else 0
            if cuts == TRIES:
                raise


def _ask(api: Api, left: list[Item], progress: Progress, stop: Stop) -> None:
    """Asks for these, and strikes out those that have come."""
    asked = len(left)
    come = bytearray()
    with api.many_outputs(left[0].job_id, [item.output.name for item in left]) as chunks:
        for chunk in chunks:
            stop.check()
            come += chunk
            _keep_whole_ones(left, come, progress)
            if come and not left:
                raise too_long("what was asked for")
    _keep_whole_ones(left, come, progress)
    if left:
        raise ConnectionFailedError(f"{asked - len(left)} of {asked} files arrived")


def _keep_whole_ones(left: list[Item], come: bytearray, progress: Progress) -> None:
    place = 0
    while left and len(come) - place >= left[0].size_bytes:
        item = left[0]
        keep_small(item, bytes(memoryview(come)[place : place + item.size_bytes]))
        place += item.size_bytes
        del left[0]
        progress(item.label, item.size_bytes, item.size_bytes)
    del come[:place]
