"""Files from here to the service and back: by content, resumed, verified before they count."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from kotta.api import Api
from kotta.errors import ConflictError, ConnectionFailedError, NotFoundError, TransferError
from kotta.models import JobDetail, Output
from kotta.models.description import check_file_name

if TYPE_CHECKING:
    from kotta.serialization import Blob

Progress = Callable[[str, int, int], None]
"""Told a file's name, how many of its bytes are done, and how many it has."""
CHUNK_BYTES = 1 << 20
TRIES = 5


@dataclass(frozen=True)
class FetchReport:
    """What became of the outputs that were asked for.

    Attributes:
        directory: where they are.
        fetched: names of those that were brought.
        already_there: names of those that lay there already, with the same bytes.
        unavailable: names of those that the job did not make.
    """

    directory: Path
    fetched: list[str] = field(default_factory=list)
    already_there: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)


def upload(api: Api, files: Sequence[Path], progress: Progress | None = None) -> list[str]:
    """Makes the service have these files, sending only what it lacks.

    Returns:
        Their `kotta://` URLs, in order.

    Raises:
        TransferError: one cannot be read, is no regular file, or changed while it was sent.
    """
    hashes = [_hashed(file) for file in files]
    missing = set(api.check_uploads([sha256 for sha256, _ in hashes])) if files else set()
    for file, (sha256, size) in zip(files, hashes, strict=True):
        if sha256 in missing:
            missing.discard(sha256)
            api.upload(sha256, _read(file, size, progress), size)
        elif progress is not None:
            progress(file.name, size, size)
    return [
        f"kotta://uploads/{sha256}/{quote(file.name, safe='')}"
        for file, (sha256, _) in zip(files, hashes, strict=True)
    ]


def upload_contents(api: Api, blobs: Sequence[Blob]) -> dict[str, str]:
    """Makes the service have these bytes, sending only what it lacks; SHA-256 to `kotta://` URL."""
    missing = api.check_uploads([blob.sha256 for blob in blobs]) if blobs else []
    for blob in blobs:
        if blob.sha256 in missing:
            api.upload(blob.sha256, _sliced(blob.chunks), blob.size_bytes)
    return {blob.sha256: f"kotta://uploads/{blob.sha256}/{quote(blob.name)}" for blob in blobs}


def fetch(
    api: Api,
    job: JobDetail,
    directory: Path,
    names: Sequence[str] | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> FetchReport:
    """Brings a job's outputs into a folder; a second time it does nothing.

    A file gets its name only once all its bytes are there and have the right hash; what was there
    before an interruption is kept aside and resumed.

    Args:
        names: which ones, as names or globs; None: all.
        force: replace files that are different.

    Raises:
        NotFoundError: a name fits no output.
        ConflictError: a different file is in the way; nothing was brought.
        TransferError: a file did not arrive as the service keeps it.
    """
    report = FetchReport(directory)
    wanted = _chosen(job, names)
    to_fetch = []
    for output in wanted:
        target = directory / check_file_name(output.name)
        if not output.available:
            report.unavailable.append(output.name)
        elif _has(target, output):
            report.already_there.append(output.name)
        elif os.path.lexists(target) and not force:
            raise ConflictError(
                f"{target} is there already and is different",
                hint="--force replaces it; -o DIRECTORY puts the outputs elsewhere",
            )
        else:
            to_fetch.append((output, target))
    for output, target in to_fetch:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _fetch_one(api, job.id, output, target, progress)
        except OSError as error:
            raise TransferError(f"{target}: {error.strerror or error}") from error
        report.fetched.append(output.name)
    return report


def _sliced(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), CHUNK_BYTES):
            yield chunk[start : start + CHUNK_BYTES]


def _chosen(job: JobDetail, names: Sequence[str] | None) -> list[Output]:
    if names is None:
        return list(job.outputs)
    chosen = []
    for name in names:
        found = [output for output in job.outputs if output.name == name] or [
            output for output in job.outputs if fnmatch.fnmatchcase(output.name, name)
        ]
        if not found:
            known = ", ".join(output.name for output in job.outputs)
            raise NotFoundError(
                f"job {job.id} has no output `{name}`", hint=f"its outputs: {known}"
            )
        chosen += [output for output in found if output not in chosen]
    return chosen


def _has(target: Path, output: Output) -> bool:
    try:
        found = target.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != output.size_bytes:
            return False
        return _hashed(target)[0] == output.sha256
    except (OSError, TransferError):
        return False


def _fetch_one(
    api: Api, job_id: str, output: Output, target: Path, progress: Progress | None
) -> None:
    sha256, size = output.sha256 or "", output.size_bytes or 0
    aside = target.with_name(f".{target.name[:200]}.{sha256[:8]}.part")
    for attempt in range(1, TRIES + 1):
        try:
            _append(api, job_id, output, aside, size, progress)
            break
        except ConnectionFailedError:
            # what has come stays aside, and the next round asks for the rest
            if attempt == TRIES:
                raise
    if _hashed(aside)[0] != sha256:
        aside.unlink()
        raise TransferError(
            f"{output.name} did not arrive as the service keeps it, and was thrown away",
            hint="repeat the command; if it happens again, the service's copy may be damaged",
        )
    os.replace(aside, target)


def _append(
    api: Api, job_id: str, output: Output, aside: Path, size: int, progress: Progress | None
) -> None:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(aside, flags, 0o666), "r+b") as file:
        have = file.seek(0, os.SEEK_END)
        if have > size:
            have = 0
        if have == size and size:
            return
        with api.output(job_id, output.name, have, f'"{output.sha256}"') as (begins, chunks):
            file.truncate(begins)
            file.seek(begins)
            done = begins
            for chunk in chunks:
                done += len(chunk)
                if done > size:
                    raise TransferError(f"{output.name}: the service sends more than it said")
                file.write(chunk)
                if progress is not None:
                    progress(output.name, done, size)
        if done < size:
            raise ConnectionFailedError(f"{output.name}: {done} of {size} bytes arrived")


def _hashed(file: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        with file.open("rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise TransferError(f"{file} is no regular file")
            while chunk := opened.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise TransferError(f"{file} cannot be read: {error.strerror}") from error
    return digest.hexdigest(), size


def _read(file: Path, size: int, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            done += len(chunk)
            if done > size:
                break
            yield chunk
            if progress is not None:
                progress(file.name, done, size)
    if done != size:
        raise TransferError(f"{file} changed while it was sent", hint="repeat the command")
