"""Takes bytes in that come through the service: aside, hashed, synced."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from kotta.errors import RequestError, StorageFullError

NEW_SECONDS = 60


class Incoming:
    """A folder in which files lie until they are whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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

    def _opened(self) -> int:
        return os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def aside(self) -> Iterator[tuple[int, Path]]:
        """An empty file, open and locked, so that no other process takes it for a leftover."""
        aside = self._folder / secrets.token_hex(8)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
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
                raise RequestError(
                    f"an upload may hold {limit_bytes} bytes at most", code="too_large"
                )
            # here, not in a thread: to hand so little over costs more than it brings
            digest.update(chunk)
            file.write(chunk)
        found = digest.hexdigest()
        if announced not in (None, found):
            raise RequestError(
                "the bytes that came are not those that were announced",
                hint="the file changed while it was sent, or was damaged on its way: repeat it",
                code="hash_mismatch",
            )
        file.flush()
        # a slow disk keeps nobody else waiting; whoever asked may leave meanwhile
        await asyncio.shield(asyncio.to_thread(_sync_and_close, os.dup(file.fileno())))
    return found, size


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
