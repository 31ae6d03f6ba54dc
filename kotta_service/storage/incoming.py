"""Takes bytes in that come through the service: aside, hashed, synced."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from kotta.errors import RequestError, StorageFullError
from kotta_service.syncing import sync_hashed

NEW_SECONDS = 60
COPY_BYTES = 1 << 20


class Incoming:
    """A folder in which files lie until they are whole.

    Attributes:
        folder: where it is; who runs the service may leave files there that it is to take.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        for found in folder.iterdir():
            _remove_leftover(found)

    def adding(self) -> AbstractContextManager[None]:
        """Nobody removes uploads meanwhile, in no process; any number may add some."""
        return self._held(fcntl.LOCK_SH)

    @contextlib.asynccontextmanager
    async def adding_one(self) -> AsyncIterator[None]:
        """The same as `adding`; where it has to be waited for, others are served meanwhile."""
        folder = self._opened()
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.to_thread(fcntl.flock, folder, fcntl.LOCK_SH)
            yield
        finally:
            os.close(folder)

    def alone(self) -> AbstractContextManager[None]:
        """Nobody puts an upload in its place meanwhile, in no process."""
        return self._held(fcntl.LOCK_EX)

    @contextlib.contextmanager
    def _held(self, how: int) -> Iterator[None]:
        folder = self._opened()
        try:
            fcntl.flock(folder, how)
            yield
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def taken(self, source: Path, limit_bytes: int) -> Iterator[tuple[Path, str, int]]:
        """A file of this machine, aside and synced: itself if it was left in here, else a copy.

        Returns:
            Where it is until it is put in its place, its SHA-256 in hex and its size.

        Raises:
            RequestError: it is larger than `limit_bytes` (`too_large`), or cannot be taken
                (`not_taken`).
        """
        with _opened_regular(source, limit_bytes) as file:
            is_ours = source.parent == self.folder and os.fstat(file).st_nlink == 1
            if not is_ours:
                with self.aside() as (descriptor, aside):
                    with os.fdopen(os.dup(file), "rb") as content:
                        with os.fdopen(os.dup(descriptor), "wb") as copy:
                            shutil.copyfileobj(content, copy, COPY_BYTES)
                    yield aside, *sync_hashed(descriptor)
                return
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise not_taken(f"{source} is locked: somebody is at work on it") from error
            try:
                os.fchmod(file, 0o600)
                yield source, *sync_hashed(file)
            finally:
                source.unlink(missing_ok=True)

    def _opened(self) -> int:
        return os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def aside(self) -> Iterator[tuple[int, Path]]:
        """An empty file, open and locked, so that no other process takes it for a leftover."""
        aside = self.folder / secrets.token_hex(8)
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor, aside
        finally:
            os.close(descriptor)
            aside.unlink(missing_ok=True)


async def receive(
    descriptor: int, announced: str | None, chunks: AsyncIterator[bytes], limit_bytes: int
) -> tuple[str, int]:
    """Writes what comes to a file, synced; its SHA-256 in hex and its size.

    Raises:
        RequestError: it is larger than `limit_bytes` (`too_large`), or its bytes have another hash
            than `announced` (`hash_mismatch`).
    """
    digest, size = hashlib.sha256(), 0
    # another name for the same open file: the lock stays when this one is closed
    with os.fdopen(os.dup(descriptor), "wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            # here, not in a thread: to hand so little over costs more than it brings
            digest.update(chunk)
            file.write(chunk)
        found = digest.hexdigest()
        refuse_other(announced, found)
        file.flush()
        # a slow disk keeps nobody else waiting; whoever asked may leave meanwhile
        await asyncio.shield(asyncio.to_thread(_sync_and_close, os.dup(file.fileno())))
    return found, size


@contextlib.contextmanager
def _opened_regular(path: Path, limit_bytes: int) -> Iterator[int]:
    try:
        # neither following a link nor waiting for somebody at the other end of a FIFO
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise not_taken(f"{path} cannot be opened") from error
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise not_taken(f"{path} is no regular file")
        if about.st_size > limit_bytes:
            raise _too_large(limit_bytes)
        yield file
    finally:
        os.close(file)


def not_taken(words: str) -> RequestError:
    """The error for a file that the service cannot take by its path."""
    return RequestError(
        f"the service cannot take this file: {words}", hint="send its bytes", code="not_taken"
    )


def refuse_other(announced: str | None, found: str) -> None:
    """Refuses bytes that have another hash than was announced.

    Raises:
        RequestError: they have (`hash_mismatch`).
    """
    if announced not in (None, found):
        raise RequestError(
            "the bytes that came are not those that were announced",
            hint="the file changed while it was sent, or was damaged on its way: repeat it",
            code="hash_mismatch",
        )


def _too_large(limit_bytes: int) -> RequestError:
    return RequestError(f"an upload may hold {limit_bytes} bytes at most", code="too_large")


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def told_if_full() -> Iterator[None]:
    """Makes what the disk says our error."""
    try:
        yield
    except OSError as error:
        raise StorageFullError(
            f"the service could not keep the file: {error.strerror}",
            hint="free some space where the service keeps its data, then repeat this",
        ) from error


def _remove_leftover(path: Path) -> None:
    """Removes what a process left that was killed; what another one writes at, it has locked."""
    with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
        # one that was made a moment ago is not locked yet
        is_new = time.time() - os.fstat(file.fileno()).st_mtime < NEW_SECONDS
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_size or not is_new:
            path.unlink()
