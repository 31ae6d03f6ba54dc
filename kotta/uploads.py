"""Sends files to the service, or to S3 where it keeps them there: named by their content, and only
those that it lacks.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from kotta.api import Api
from kotta.contents import CHUNK_BYTES, Mark, Progress, hashed, mark_of, opened
from kotta.errors import RequestError, TransferError

if TYPE_CHECKING:
    from kotta.serialization import Blob

CHECKED_AT_ONCE = 10_000
BY_PATH_BYTES = 1 << 30
"""A larger file is sent, as a request that is not answered for so long would be repeated."""
SHOWN_BYTES = 64 << 20
"""And, where somebody is shown how far it is, one larger than this."""


@dataclass(frozen=True)
class Upload:
    """A file that the service has now.

    Attributes:
        url: its `kotta://` URL, for a job's `inputs`.
        sent: whether it had to be sent.
    """

    file: Path
    url: str
    sha256: str
    size_bytes: int
    sent: bool


def upload(api: Api, files: Sequence[Path], progress: Progress | None = None) -> list[Upload]:
    """Makes the service have these files, sending only what it lacks.

    Raises:
        TransferError: one cannot be read, is no regular file, or changed while it was sent.
    """
    marks = [mark_of(file) for file in files]
    hashes = [hashed(file) for file in files]
    place = _place(api, [sha256 for sha256, _ in hashes])
    found = []
    for file, mark, (sha256, size) in zip(files, marks, hashes, strict=True):
        url = f"kotta://uploads/{sha256}/{quote(file.name, safe='')}"
        found.append(Upload(file, url, sha256, size, sent=sha256 in place.missing))
        if sha256 in place.missing:
            place.missing.discard(sha256)
            _upload_one(api, place, file, sha256, size, progress, mark)
        elif progress is not None:
            progress(file.name, size, size)
    return found


def upload_contents(api: Api, blobs: Sequence[Blob]) -> dict[str, str]:
    """Makes the service have these bytes, sending only what it lacks; SHA-256 to `kotta://` URL."""
    place = _place(api, [blob.sha256 for blob in blobs])
    for blob in blobs:
        if blob.sha256 not in place.missing:
            continue
        place.missing.discard(blob.sha256)
        if place.is_direct:
            from kotta.signed_uploads import send

            read = partial(_read_chunks, blob.chunks)
            send(api, blob.sha256, blob.size_bytes, read, lambda _: None)
        elif not (place.incoming and _left(api, Path(place.incoming), blob)):
            api.upload(blob.sha256, partial(_sliced, blob.chunks), blob.size_bytes)
    return {blob.sha256: f"kotta://uploads/{blob.sha256}/{quote(blob.name)}" for blob in blobs}


@dataclass(frozen=True)
class _Place:
    """Where files go.

    Attributes:
        missing: what is not there yet.
        is_direct: they are to be sent to S3.
        incoming: the service is on this machine, and takes what is left in this folder.
    """

    missing: set[str]
    is_direct: bool = False
    incoming: str | None = None


def _place(api: Api, sha256: Sequence[str]) -> _Place:
    place = _Place(set())
    for start in range(0, len(sha256), CHECKED_AT_ONCE):
        checked = api.check_uploads(sha256[start : start + CHECKED_AT_ONCE])
        place = _Place({*place.missing, *checked.missing}, checked.direct, checked.incoming)
    return place


def _left(api: Api, incoming: Path, blob: Blob) -> bool:
    """Leaves bytes for the service to take; False if that cannot be, and they are to be sent."""
    if blob.size_bytes > BY_PATH_BYTES:
        return False
    file = incoming / secrets.token_hex(8)
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0) as content:
            for chunk in blob.chunks:
                view = memoryview(chunk).cast("B")
                while view:
                    view = view[content.write(view) :]
        return _is_taken(api, blob.sha256, file)
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            file.unlink()


def _is_taken(api: Api, sha256: str, file: Path) -> bool:
    """Whether a service of this machine has read the file, or taken it, by its path."""
    try:
        api.upload_path(sha256, file)
    except RequestError:
        return False  # what it sees there, if anything, may be something else
    return True


def _upload_one(
    api: Api,
    place: _Place,
    file: Path,
    sha256: str,
    size: int,
    progress: Progress | None,
    mark: Mark,
) -> None:
    """Sends a file to the service, or to S3 if it has the mark still."""
    try:
        if place.is_direct:
            _send_directly(api, file, sha256, size, progress, mark)
            return
        most = BY_PATH_BYTES if progress is None else SHOWN_BYTES
        if place.incoming and size <= most and _is_taken(api, sha256, file.absolute()):
            if progress is not None:
                progress(file.name, size, size)
            return
        api.upload(sha256, partial(_read, file, size, progress), size)
    except RequestError as error:
        if error.code == "hash_mismatch":
            raise _changed(file) from error
        raise


def _send_directly(
    api: Api, file: Path, sha256: str, size: int, progress: Progress | None, mark: Mark
) -> None:
    from kotta.signed_uploads import send

    done = 0

    def sent(more_bytes: int) -> None:
        nonlocal done
        # what was cut off is sent once more
        done = min(done + more_bytes, size)
        if progress is not None:
            progress(file.name, done, size)

    def check() -> None:
        if mark_of(file) != mark:
            raise _changed(file)

    send(api, sha256, size, partial(_read_part, file), sent, check)


def _read_part(file: Path, begin: int, count: int) -> Iterator[bytes]:
    left = count
    with opened(file) as content:
        content.seek(begin)
        while left and (chunk := content.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
    if left:
        raise _changed(file)


def _read(file: Path, size: int, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    with opened(file) as content:
        while chunk := content.read(CHUNK_BYTES):
            done += len(chunk)
            if done > size:
                break
            yield chunk
            if progress is not None:
                progress(file.name, done, size)
    if done != size:
        raise _changed(file)


def _sliced(chunks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    for each in chunks:
        chunk = memoryview(each)
        for start in range(0, len(chunk), CHUNK_BYTES):
            yield bytes(chunk[start : start + CHUNK_BYTES])


def _read_chunks(chunks: Iterable[bytes | memoryview], begin: int, count: int) -> Iterator[bytes]:
    """So many of these bytes from a place on."""
    place, end = 0, begin + count
    for chunk in _sliced(chunks):
        piece = chunk[max(begin - place, 0) : max(end - place, 0)]
        place += len(chunk)
        if len(piece):
            yield bytes(piece)


def _changed(file: Path) -> TransferError:
    return TransferError(f"{file} changed while it was sent", hint="repeat the command")
