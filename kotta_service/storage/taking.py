"""Takes outputs over from the directory of an account, where its runner left them.

A file goes a way of three names, and may have come to any of them when the service was killed:

::

    jobs/4f/4f6c….1/outputs/NAME              the account's
    files/outputs/4f/4f6c….1.taking/NAME      out of its reach, but anything: it is looked at here
    files/outputs/4f/4f6c….1/NAME             found to be a plain file of that account's; made ours
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from itertools import islice
from pathlib import Path

from kotta_service.attempt_files import PLAIN, opened_file, opened_folder
from kotta_service.messages import ExitRecord, RecordedOutput
from kotta_service.storage.files import remove_path
from kotta_service.storage.refusing import without
from kotta_service.syncing import sync_directory

OUTPUTS = "outputs"
"""The folder in an account's attempt's directory where its runner leaves them."""
GIVEN = "input-"
"""How further names of kept files begin there, by which the account could read its inputs."""
_CHUNK_BYTES = 8 << 20
_MOST_ENTRIES = 100_000
_NO_FILE = "is no plain file of the job's account, or has other names"


class NotTakenError(Exception):
    """An output is not what a runner leaves; says what it is instead."""


def take_over(record: ExitRecord, held: Path, kept: Path) -> ExitRecord:
    """Takes what the record says was made; the record without what cannot be taken.

    Args:
        held: the attempt's directory.
        kept: the folder where outputs of this attempt are kept.

    Raises:
        OSError: it cannot be done now. What was taken stays so.
    """
    made = [output for output in record.outputs if output.available]
    aside = kept.with_name(f"{kept.name}.taking")
    wrong = {}
    for folder in (kept, aside):
        folder.mkdir(mode=0o700, exist_ok=True)
    with opened_folder(held, for_good=True) as directory:
        if directory is None:
            raise FileNotFoundError(errno.ENOENT, "it is gone", str(held))
        account = os.fstat(directory).st_uid
        with opened_folder(OUTPUTS, directory, for_good=True) as source:
            for output in made:
                try:
                    if not os.path.lexists(kept / output.name):
                        _take(source, output, aside / output.name, account)
                        os.rename(aside / output.name, kept / output.name)
                    _make_ours(kept / output.name, output)
                except NotTakenError as error:
                    if any(os.path.lexists(place / output.name) for place in (kept, aside)):
                        raise BlockingIOError(errno.EAGAIN, "another process does it") from error
                    wrong[output.name] = str(error)
    for folder in (aside, kept, kept.parent):
        sync_directory(folder)
    with contextlib.suppress(OSError):
        aside.rmdir()
    take_back(held)
    return without(record, wrong)


def _take(source: int | None, output: RecordedOutput, aside: Path, account: int) -> None:
    """Brings a file of the account's out of its reach."""
    name = output.name
    if os.path.lexists(aside) and not _is_plain(aside, account):
        remove_path(aside)  # half of a copy
    if not os.path.lexists(aside):
        if source is None:
            raise NotTakenError(_NO_FILE)
        with opened_file(source, name, for_good=True) as file:
            if file is None or os.fstat(file).st_nlink != 1:
                raise NotTakenError(_NO_FILE)
            _check_size(file, output)
            _move(source, name, file, aside, output.size_bytes or 0)
    if not _is_plain(aside, account):  # it was another one by then
        remove_path(aside)
        raise NotTakenError(_NO_FILE)


def _move(source: int, name: str, file: int, aside: Path, left: int) -> None:
    try:
        os.rename(name, aside, src_dir_fd=source)
    except FileNotFoundError:
        raise NotTakenError(_NO_FILE) from None
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            while left > 0 and (count := os.sendfile(copy, file, None, min(left, _CHUNK_BYTES))):
                left -= count
            os.fsync(copy)
            about = os.fstat(file)
            # the mark of a copy that is whole
            os.fchown(copy, about.st_uid, about.st_gid)
        finally:
            os.close(copy)
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=source)


def _is_plain(path: Path, account: int) -> bool:
    """Whether it is a file of that account's that has no other name."""
    about = path.lstat()
    return stat.S_ISREG(about.st_mode) and (about.st_uid, about.st_nlink) == (account, 1)


def take_back(held: Path) -> None:
    """Removes the names of inputs: what is removed from where they are kept is to be gone."""
    with opened_folder(held) as folder:
        if folder is None:
            return
        # it may have filled its directory: who does keeps those names until the job is forgotten
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                if entry.name.startswith(GIVEN):
                    os.unlink(entry.name, dir_fd=folder)


def _make_ours(kept: Path, output: RecordedOutput) -> None:
    file = os.open(kept, PLAIN)
    try:
        # in this order: whose it is could open it to all again, and give it another name
        os.fchown(file, os.geteuid(), os.getegid())
        os.fchmod(file, 0o600)
        if os.fstat(file).st_nlink != 1:
            raise NotTakenError(_NO_FILE)
        _check_size(file, output)
    except NotTakenError:
        kept.unlink()
        raise
    finally:
        os.close(file)


def _check_size(file: int, output: RecordedOutput) -> None:
    size, told = os.fstat(file).st_size, output.size_bytes or 0
    if size != told:
        raise NotTakenError(f"has {size} bytes in place of {told}")
