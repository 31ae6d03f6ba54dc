"""Uploads and outputs as plain files under one folder that only this user can read.

::

    uploads/ab/ab12…           an uploaded file, by the SHA-256 of its bytes
    outputs/4f/4f6c….1/NAME    an output of a job's first attempt, put there by its runner
"""

from __future__ import annotations

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
from kotta_service.syncing import sync_directory

NEW_SECONDS = 60


class FileStorage:
    """The files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        for folder in (root, root / "uploads", root / "outputs", self._incoming):
            folder.mkdir(mode=0o700, exist_ok=True)
        for folder in (root, root.parent):
            sync_directory(folder)
        for found in self._incoming.iterdir():
            _remove_leftover(found)

    def upload_path(self, sha256: str) -> Path:
        return self.root / "uploads" / sha256[:2] / sha256

    def output_directory(self, job_id: str, attempt: int) -> Path:
        return self.root / "outputs" / job_id[:2] / f"{job_id}.{attempt}"

    def alone(self) -> AbstractContextManager[None]:
        """Nobody puts an upload in its place meanwhile, in no process."""
        return self._held(fcntl.LOCK_EX)

    @contextlib.contextmanager
    def _held(self, how: int) -> Iterator[None]:
        folder = os.open(self.root / "uploads", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, how)
            yield
        finally:
            os.close(folder)

    async def keep_upload(self, sha256: str, chunks: AsyncIterator[bytes], limit_bytes: int) -> int:
        """Writes an upload to disk, synced, under the hash of its bytes.

        Returns:
            Its size in bytes.

        Raises:
            RequestError: it is larger than `limit_bytes` (`too_large`), or its bytes have another
                hash (`hash_mismatch`).
            StorageFullError: there is no room; nothing was kept.
        """
        return (await self._keep(sha256, chunks, limit_bytes))[1]

    async def keep_unannounced(
        self, chunks: AsyncIterator[bytes], limit_bytes: int
    ) -> tuple[str, int]:
        """The same for bytes whose hash nobody told; it and their number are the result."""
        return await self._keep(None, chunks, limit_bytes)

    async def _keep(
        self, announced: str | None, chunks: AsyncIterator[bytes], limit_bytes: int
    ) -> tuple[str, int]:
        try:
            with self._aside() as (descriptor, aside):
                sha256, size = await self._receive(descriptor, announced, chunks, limit_bytes)
                final = self.upload_path(sha256)
                final.parent.mkdir(mode=0o700, exist_ok=True)
                with self._held(fcntl.LOCK_SH):
                    aside.rename(final)
                sync_directory(final.parent)
                sync_directory(final.parent.parent)
        except OSError as error:
            raise StorageFullError(
                f"the service could not keep the file: {error.strerror}",
                hint="free some space where the service keeps its data, then repeat this",
            ) from error
        return sha256, size

    @contextlib.contextmanager
    def _aside(self) -> Iterator[tuple[int, Path]]:
        """An empty file, open and locked, so that no other process takes it for a leftover."""
        aside = self._incoming / secrets.token_hex(8)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor, aside
        finally:
            os.close(descriptor)
            aside.unlink(missing_ok=True)

    async def _receive(
        self, descriptor: int, announced: str | None, chunks: AsyncIterator[bytes], limit_bytes: int
    ) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        # another name for the same open file: the lock stays when this one is closed
        with os.fdopen(os.dup(descriptor), "wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit_bytes:
                    raise RequestError(
                        f"an upload may hold {limit_bytes} bytes at most", code="too_large"
                    )
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
            os.fsync(file.fileno())
        return found, size


def _remove_leftover(path: Path) -> None:
    """Removes what a process left that was killed; what another one writes at, it has locked."""
    with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
        # one that was made a moment ago is not locked yet
        is_new = time.time() - os.fstat(file.fileno()).st_mtime < NEW_SECONDS
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_size or not is_new:
            path.unlink()
