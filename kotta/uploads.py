"""Sends files to the service: named by their content, and only those that it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from kotta.api import Api
from kotta.contents import CHUNK_BYTES, Progress, hashed, opened
from kotta.errors import RequestError, TransferError

if TYPE_CHECKING:
    from kotta.serialization import Blob

CHECKED_AT_ONCE = 10_000


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
    hashes = [hashed(file) for file in files]
    missing = set(_missing(api, [sha256 for sha256, _ in hashes]))
    found = []
    for file, (sha256, size) in zip(files, hashes, strict=True):
        url = f"kotta://uploads/{sha256}/{quote(file.name, safe='')}"
        found.append(Upload(file, url, sha256, size, sent=sha256 in missing))
        if sha256 in missing:
            missing.discard(sha256)
            _upload_one(api, file, sha256, size, progress)
        elif progress is not None:
            progress(file.name, size, size)
    return found


def upload_contents(api: Api, blobs: Sequence[Blob]) -> dict[str, str]:
    """Makes the service have these bytes, sending only what it lacks; SHA-256 to `kotta://` URL."""
    missing = set(_missing(api, [blob.sha256 for blob in blobs]))
    for blob in blobs:
        if blob.sha256 in missing:
            missing.discard(blob.sha256)
            api.upload(blob.sha256, partial(_sliced, blob.chunks), blob.size_bytes)
    return {blob.sha256: f"kotta://uploads/{blob.sha256}/{quote(blob.name)}" for blob in blobs}


def _missing(api: Api, sha256: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(sha256), CHECKED_AT_ONCE):
        yield from api.check_uploads(sha256[start : start + CHECKED_AT_ONCE])


def _upload_one(api: Api, file: Path, sha256: str, size: int, progress: Progress | None) -> None:
    try:
        api.upload(sha256, partial(_read, file, size, progress), size)
    except RequestError as error:
        if error.code == "hash_mismatch":
            raise _changed(file) from error
        raise


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


def _changed(file: Path) -> TransferError:
    return TransferError(f"{file} changed while it was sent", hint="repeat the command")
