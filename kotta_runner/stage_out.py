"""Moves declared outputs out of the working directory to where they are kept, hashed and synced.

An output is what a regular file of that name in the open directory was when it was opened: links
are not followed, FIFOs and devices not waited for, and what is put in its place meanwhile is not
kept. The folder itself is synced with the exit record, which is what makes its files count.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat

from kotta_runner import TYPE_CHECKING
from kotta_runner.attempt import Attempt, above
from kotta_runner.staging import StagingError, opened_folder

if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

_CHUNK_BYTES = 1 << 20
MUCH_BYTES = 32 << 20
_NOT_THERE = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.ENAMETOOLONG)
_EMPTY_SHA256 = hashlib.sha256().hexdigest()


class TooLargeError(StagingError):
    """An output does not fit into what a job's outputs may hold together."""


class Outputs:
    """Keeps the outputs of one attempt.

    Args:
        owner_uid: the account whose files alone count as the job's, None for our own. Such files
            are copied, as whoever made them may still have them open.

    Attributes:
        too_large: what was not kept, as outputs together may not be so large, in words; "" if
            everything was.
    """

    def __init__(
        self, attempt: Attempt, launch: Dict[str, Any], owner_uid: Optional[int] = None
    ) -> None:
        self._attempt = attempt
        self._launch = launch
        self._owner_uid = owner_uid
        self._target: str = launch["stage_out"].get("directory", "")
        max_bytes = (launch.get("limits") or {}).get("output_bytes")
        self._left_bytes: Optional[int] = max_bytes
        self._max_bytes = max_bytes
        self.too_large = ""

    def keep_all(self, when_slow: Callable[[], None]) -> List[Dict[str, Any]]:
        """The manifest: every declared output in order, with size and SHA-256 where it was made.

        Args:
            when_slow: called once, if there is so much to keep that somebody may want to know.

        Raises:
            StagingError: one that was made could not be kept.
        """
        names = self._launch["outputs"]
        try:
            self._make_target()
            work = _opened(self._attempt.work)
            try:
                if work is not None and _is_much(work, names):
                    when_slow()
                return [self._keep(work, name) for name in names]
            finally:
                if work is not None:
                    os.close(work)
        except OSError as error:
            raise StagingError(
                "the outputs could not be kept: %s" % (error.strerror or error)
            ) from error

    def keep(self, source: str, folder: Optional[int], name: str) -> Dict[str, Any]:
        """Keeps a file under `name`, hashed and synced; its line in the manifest.

        Args:
            source: its path, looked up in the open directory `folder` if there is one.
        """
        try:
            file = os.open(
                source,
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                dir_fd=folder,
            )
        except OSError as error:
            if error.errno in _NOT_THERE:
                return missing(name)
            raise
        except (UnicodeEncodeError, ValueError):
            return missing(name)  # no file can have such a name
        try:
            return self._keep_opened(file, source, folder, name)
        finally:
            os.close(file)

    def _keep_opened(
        self, file: int, source: str, folder: Optional[int], name: str
    ) -> Dict[str, Any]:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or self._is_foreign(about):
            return missing(name)
        if self._left_bytes is not None and about.st_size > self._left_bytes:
            self._refuse(name)
            return missing(name)
        line = self._take(file, about, source, folder, name)
        if self._left_bytes is not None:
            self._left_bytes -= line["size_bytes"] or 0
        return line

    def _take(
        self, file: int, about: os.stat_result, source: str, folder: Optional[int], name: str
    ) -> Dict[str, Any]:
        """Puts an opened file where it is kept; its line in the manifest."""
        kept = os.path.join(self._target, name)
        # a file with other links is somebody else's too: neither its place nor its mode is ours
        is_ours = about.st_nlink == 1 and self._owner_uid is None
        if is_ours and _moved(source, folder, kept):
            if not _is_same(kept, about):
                _discard(kept)
                return missing(name)
            os.fchmod(file, 0o600)
            sha256, size = hashed(file, None, self._left_bytes)
        else:
            try:
                with open(kept, "xb") as copy:
                    sha256, size = hashed(file, copy, self._left_bytes)
                    copy.flush()
                    os.fsync(copy.fileno())
            except TooLargeError:
                os.unlink(kept)
                self._refuse(name)
                return missing(name)
        return {"name": name, "available": True, "size_bytes": size, "sha256": sha256}

    def finish(self) -> None:
        """Returns once all that was taken is kept."""

    def folders(self) -> List[str]:
        """What has to be synced for the outputs to be there after a power cut."""
        on_disk = self._launch["stage_out"].get("on_disk", "")
        return [self._target, *above(self._target, 2, on_disk)]

    def forget(self) -> None:
        """Removes what is kept elsewhere as well, once the exit record is there."""

    def _keep(self, work: Optional[int], name: str) -> Dict[str, Any]:
        if not name or "/" in name or name in (".", ".."):
            return missing(name)  # O_NOFOLLOW guards the last step of a path only
        if name == self._launch["stdout"]:
            return self.keep(self._attempt.path("stdout"), None, name)
        if name == self._launch["stderr"]:
            return self.keep(self._attempt.path("stderr"), None, name)
        return missing(name) if work is None else self.keep(name, work, name)

    def _is_foreign(self, about: os.stat_result) -> bool:
        """Whether it is a hard link to what the job's account does not own."""
        return self._owner_uid is not None and about.st_uid != self._owner_uid

    def _refuse(self, name: str) -> None:
        if not self.too_large:
            mib = (self._max_bytes or 0) / (1 << 20)
            self.too_large = "%s was not kept: the outputs of a job may hold %g MiB" % (name, mib)

    def _make_target(self) -> None:
        try:
            os.makedirs(self._target, mode=0o700)
        except FileExistsError:  # of a runner that was ended while it did this
            import shutil

            shutil.rmtree(self._target)
            os.mkdir(self._target, 0o700)


def _opened(work: str) -> Optional[int]:
    """The working directory; None if the command removed it, or put something else in its place."""
    try:
        return opened_folder(work)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _is_much(work: int, names: List[str]) -> bool:
    total_bytes = 0
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            total_bytes += os.stat(name, dir_fd=work, follow_symlinks=False).st_size
    return total_bytes > MUCH_BYTES


def missing(name: str) -> Dict[str, Any]:
    """The line of the manifest for a file that is not available."""
    return {"name": name, "available": False, "size_bytes": None, "sha256": None}


def _moved(source: str, folder: Optional[int], kept: str) -> bool:
    try:
        os.rename(source, kept, src_dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    return True


def _is_same(kept: str, about: os.stat_result) -> bool:
    """Whether what was moved is what had been opened: a name may mean another file by then."""
    found = os.lstat(kept)
    return (found.st_dev, found.st_ino, found.st_nlink) == (about.st_dev, about.st_ino, 1)


def _discard(kept: str) -> None:
    if stat.S_ISDIR(os.lstat(kept).st_mode):
        import shutil

        shutil.rmtree(kept)
    else:
        os.unlink(kept)


def hashed(
    file: int, copy: Any, max_bytes: Optional[int], *, is_synced: bool = True
) -> Tuple[str, int]:
    """SHA-256 and size of what is in `file`, which is copied on the way, or synced where it is.

    Args:
        is_synced: it is to reach the disk.

    Raises:
        TooLargeError: a copy holds more than `max_bytes`, whatever was announced.
    """
    if copy is None and is_synced and os.fstat(file).st_size >= MUCH_BYTES:
        finish_syncing = _begin_syncing(file)
        try:
            return hashed(file, None, max_bytes, is_synced=False)
        finally:
            finish_syncing()
    digest, size = hashlib.sha256(), 0
    # one for all: to get so much memory anew takes longer than to read it
    room = memoryview(bytearray(_CHUNK_BYTES))
    while count := os.readv(file, [room]):
        chunk = room[:count]
        digest.update(chunk)
        size += count
        if copy is not None:
            if max_bytes is not None and size > max_bytes:
                raise TooLargeError
            copy.write(chunk)
    if size and copy is None and is_synced:
        os.fsync(file)
    return (digest.hexdigest() if size else _EMPTY_SHA256), size


def _begin_syncing(file: int) -> Callable[[], None]:
    """Has a file reach the disk while something else is done with it.

    Returns:
        What waits until it has, and raises what went wrong.
    """
    import threading

    failed: List[OSError] = []

    def sync() -> None:
        try:
            os.fsync(file)
        except OSError as error:
            failed.append(error)

    def finish() -> None:
        thread.join()
        if failed:
            raise failed[0]

    thread = threading.Thread(target=sync)
    thread.start()
    return finish
