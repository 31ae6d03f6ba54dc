"""Brings inputs into the working directory, and writes the script there.

Files are made in the open directory, under names without any `/`, and never over what is there: no
spelling of a name and no link leads elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from functools import partial

from kotta_runner import TYPE_CHECKING
from kotta_runner.attempt import Attempt
from kotta_runner.staging import StagingError, opened_folder

if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

_CHUNK_BYTES = 1 << 20
_FOREVER_SECONDS = 10 * 365 * 86_400.0


class Budget:
    """What is left of the bytes and the time that all inputs of a job may take together."""

    def __init__(self, max_bytes: Optional[int], max_seconds: Optional[float]) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self.max_seconds = max_seconds
        self.deadline = time.monotonic() + (max_seconds or _FOREVER_SECONDS)

    def check(self, more_bytes: int) -> None:
        """Refuses to go on for so many bytes more.

        Raises:
            StagingError: they are too many, or it is too late.
        """
        if self.max_bytes is not None and self.used_bytes + more_bytes > self.max_bytes:
            mib = self.max_bytes / (1 << 20)
            raise StagingError("is too large: the inputs of a job may hold %g MiB" % mib)
        if time.monotonic() > self.deadline:
            raise StagingError(
                "came too late: the inputs of a job may take %g s" % (self.max_seconds or 0)
            )


class Inputs:
    """Brings the inputs of one attempt.

    Args:
        owner: uid and gid of the account that its files shall belong to, None for our own.
    """

    def __init__(
        self, attempt: Attempt, launch: Dict[str, Any], owner: "Optional[tuple[int, int]]" = None
    ) -> None:
        downloads = launch.get("downloads") or {}
        self._wanted = to_be_brought(launch)
        # imported here: a cluster's runners pay for what they import, each anew
        from kotta_runner.addresses import Policy

        self._policy = Policy.of(launch)
        self._budget = Budget(downloads.get("max_bytes"), downloads.get("max_seconds"))
        self._work = attempt.work
        self._owner = owner
        self._launch = launch
        self._cancel_asked = attempt.cancel_asked

    def load(self) -> None:
        """Imports what downloading takes, for a process that is about to lose sight of it."""
        if any("url" in wanted for wanted in self._wanted):
            import kotta_runner.download  # noqa: F401

    def copy(self) -> None:
        """Puts those into the working directory that the service keeps, or can read for the job.

        Raises:
            StagingError: the first one that cannot be had.
        """
        self._bring("path", _copy)
        names = [wanted["signed"] for wanted in self._wanted if "signed" in wanted]
        if names:
            from kotta_runner.signed_inputs import SignedInputs

            signed = SignedInputs(self._launch, names, self._cancel_asked)
            self._bring("signed", lambda wanted, receive: signed.bring(wanted["signed"], receive))

    def download(self) -> None:
        """Puts the others there.

        Raises:
            StagingError: the first one that cannot be had.
        """

        def download(wanted: Dict[str, Any], receive: Any) -> None:
            from kotta_runner.download import download

            download(wanted["url"], receive, self._policy, self._budget.deadline)

        self._bring("url", download)

    def _bring(self, kind: str, how: Callable[[Dict[str, Any], Any], None]) -> None:
        mine = [wanted for wanted in self._wanted if kind in wanted]
        if not mine:
            return
        work = opened_folder(self._work)
        try:
            for wanted in mine:
                try:
                    how(wanted, partial(self._receive, wanted, work))
                except StagingError as error:
                    raise _named(wanted, error) from error
                except OSError as error:
                    words = error.strerror or error
                    raise StagingError("input %s: %s" % (_shown(wanted), words)) from error
        finally:
            os.close(work)

    def _receive(
        self,
        wanted: Dict[str, Any],
        work: int,
        read: "Callable[[int], bytes | memoryview]",
        announced: Optional[int],
    ) -> None:
        try:
            self._budget.check(announced or 0)
            digest, size = hashlib.sha256(), 0
            descriptor = _created(wanted["name"], work, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                if self._owner is not None:
                    os.fchown(descriptor, *self._owner)
                while chunk := read(_CHUNK_BYTES):
                    self._budget.check(len(chunk))
                    self._budget.used_bytes += len(chunk)
                    if wanted.get("sha256"):
                        digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            if announced is not None and size != announced:
                raise StagingError("%d bytes of %d arrived" % (size, announced))
            if wanted.get("sha256") and digest.hexdigest() != wanted["sha256"]:
                raise StagingError("its bytes are not those that were uploaded")
        except StagingError as error:
            raise _named(wanted, error) from error


def to_be_brought(launch: Dict[str, Any]) -> "List[Dict[str, Any]]":
    """The inputs that are more than a link."""
    return [wanted for wanted in launch.get("inputs") or () if not wanted.get("in_place")]


def link(attempt: Attempt, launch: Dict[str, Any]) -> None:
    """Makes links to those inputs that are read where they are kept.

    Raises:
        StagingError: one cannot be made.
    """
    in_place = [wanted for wanted in launch.get("inputs") or () if wanted.get("in_place")]
    if not in_place:
        return
    work = opened_folder(attempt.work)
    try:
        for wanted in in_place:
            try:
                os.stat(wanted["path"])  # else it were missed only by what reads it
                os.symlink(wanted["path"], checked_name(wanted["name"]), dir_fd=work)
            except OSError as error:
                words = error.strerror or error
                raise StagingError("input %s: %s" % (_shown(wanted), words)) from error
    finally:
        os.close(work)


def write_script(
    attempt: Attempt,
    script: Optional[Dict[str, str]],
    owner: "Optional[tuple[int, int]]" = None,
) -> None:
    """Writes the script, if there is one, executable and with CRLF made LF.

    Raises:
        StagingError: it cannot be written, or an input has its name.
    """
    if not script:
        return
    try:
        work = opened_folder(attempt.work)
        try:
            with os.fdopen(_created(script["name"], work, 0o755), "wb") as file:
                # what the umask took: programs compare a script's mode with what they expect
                os.fchmod(file.fileno(), 0o755)
                if owner is not None:
                    os.fchown(file.fileno(), *owner)
                file.write(script["text"].replace("\r\n", "\n").encode())
        finally:
            os.close(work)
    except OSError as error:
        raise StagingError("script %s: %s" % (script["name"], error.strerror)) from error


def checked_name(name: str) -> str:
    """The name, which leads nowhere else."""
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise StagingError("%r cannot be a file's name" % name)
    return name


def _created(name: str, folder: int, mode: int) -> int:
    try:
        return os.open(
            checked_name(name),
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW,
            mode,
            dir_fd=folder,
        )
    except UnicodeEncodeError as error:
        raise StagingError("%r cannot be a file's name" % name) from error


def _named(wanted: Dict[str, Any], error: StagingError) -> StagingError:
    """The same error, which says which input it is about."""
    words = str(error)
    is_named = words.startswith("input ")
    return StagingError(words if is_named else "input %s: %s" % (_shown(wanted), words))


def _shown(wanted: Dict[str, Any]) -> str:
    return str(wanted.get("url") or wanted.get("signed") or wanted["name"])


def _copy(
    wanted: Dict[str, Any],
    receive: "Callable[[Callable[[int], bytes | memoryview], int], None]",
) -> None:
    # neither following a link nor waiting for somebody at the other end of a FIFO
    source = os.open(wanted["path"], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    # one for all: to get so much memory anew takes longer than to read it
    room = memoryview(bytearray(_CHUNK_BYTES))
    with os.fdopen(source, "rb", buffering=0) as file:
        about = os.fstat(source)
        if not stat.S_ISREG(about.st_mode):
            raise StagingError("input %s: is not a regular file" % _shown(wanted))
        receive(lambda _: room[: file.readinto(room) or 0], about.st_size)
