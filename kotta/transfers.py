"""Brings a job's outputs here: resumed after a cut, verified before they count.

The way there is `kotta.uploads`.
"""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kotta.api import Api
from kotta.contents import Progress, digest_of, hashed
from kotta.errors import (
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    ServiceFaultError,
    TransferError,
)
from kotta.models import JobDetail, Output
from kotta.models.description import MAX_NAME_BYTES, check_file_name

TRIES = 5
"""How often in a row a download may be cut without a single byte having come."""
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


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
    to_fetch = []
    for output in _chosen(job, names):
        _check(output)
        target = directory / output.name
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


def _chosen(job: JobDetail, names: Sequence[str] | None) -> list[Output]:
    known = {output.name: output for output in job.outputs}
    if names is None:
        return list(known.values())
    chosen: dict[str, Output] = {}
    for name in names:
        found = [name] if name in known else [each for each in known if _fits(each, name)]
        if not found:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            hint += f"its outputs: {', '.join(known)}" if known else "it has none"
            raise NotFoundError(f"job {job.id} has no output `{name}`", hint=hint)
        chosen.update((each, known[each]) for each in found)
    return list(chosen.values())


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern)


def _check(output: Output) -> None:
    """Refuses what a service must not make us use as a path or believe as a size."""
    try:
        check_file_name(output.name)
        # `\\` and `:` lead elsewhere too, where this system says so
        if Path(output.name).name != output.name:
            raise ValueError(f"`{output.name}` is no name of a file on this system")
    except ValueError as error:
        raise ServiceFaultError(f"the service tells of an output that {error}") from None
    if output.available and not _SHA256.match(output.sha256 or ""):
        raise ServiceFaultError(f"the service does not say what is in {output.name}")
    if output.available and (output.size_bytes is None or output.size_bytes < 0):
        raise ServiceFaultError(f"the service does not say how large {output.name} is")


def _has(target: Path, output: Output) -> bool:
    try:
        found = target.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != output.size_bytes:
            return False
        return hashed(target)[0] == output.sha256
    except (OSError, TransferError):
        return False


def _fetch_one(
    api: Api, job_id: str, output: Output, target: Path, progress: Progress | None
) -> None:
    mark = f".{(output.sha256 or '')[:8]}.part"
    room = MAX_NAME_BYTES - len(mark) - 1
    name = target.name.encode()[:room].decode(errors="ignore")
    aside = target.with_name(f".{name}{mark}")
    with _aside(aside) as file:
        cuts = 0
        while True:
            before = file.seek(0, os.SEEK_END)
            try:
                if _completed(api, job_id, output, file, progress):
                    break
            except ConnectionFailedError:
                # what has come stays aside, and the next round asks for the rest
                cuts = cuts + 1 if file.seek(0, os.SEEK_END) <= before else 0
                if cuts == TRIES:
                    raise
                continue
            file.truncate(0)
            if not before:
                raise TransferError(
                    f"{output.name} did not arrive as the service keeps it, and was thrown away",
                    hint="repeat the command; if it happens again, the service's copy is damaged",
                )
            # what lay there from before was not its beginning: all of it once more
    os.replace(aside, target)


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[BinaryIO]:
    """A file for what has come so far; only one fetch at a time has it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666), "r+b") as file:
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(f"another fetch is writing {path}") from None
            except OSError:
                pass  # a file system without locks
        yield file


def _completed(
    api: Api, job_id: str, output: Output, file: BinaryIO, progress: Progress | None
) -> bool:
    """Asks for what `file` lacks; whether it then has the right bytes."""
    size = output.size_bytes or 0
    digest, have = digest_of(file)
    if have > size:
        digest, have = hashlib.sha256(), 0
    if have < size:
        with api.output(job_id, output.name, have, f'"{output.sha256}"') as (begins, chunks):
            if begins != have:
                digest = hashlib.sha256()
            file.seek(begins)
            file.truncate()
            have = begins
            for chunk in chunks:
                have += len(chunk)
                if have > size:
                    raise TransferError(f"{output.name}: the service sends more than it said")
                file.write(chunk)
                digest.update(chunk)
                if progress is not None:
                    progress(output.name, have, size)
        if have < size:
            raise ConnectionFailedError(f"{output.name}: {have} of {size} bytes arrived")
    file.truncate(size)
    return digest.hexdigest() == output.sha256
