"""Uploads and outputs as plain files under one folder that only this user can read.

An upload is known by the SHA-256 of its bytes alone, whoever sent it: the service has seen them.
Outputs are moved here by their runners; those that are accounts' may not, and `taking` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kotta.errors import ConflictError
from kotta_service.storage import Stored
from kotta_service.storage.incoming import Incoming, receive, refuse_other, told_if_full
from kotta_service.syncing import make_shards, sync_directory

if TYPE_CHECKING:
    from kotta_service.messages import ExitRecord
    from kotta_service.storage import Kept

PIECE_BYTES = 512 << 10


@dataclass(frozen=True)
class OpenFile:
    """The bytes of an open file, which may be growing."""

    descriptor: int

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        return os.pread(self.descriptor, count, offset)


@dataclass(frozen=True)
class KeptFile:
    """A place on this machine's disk."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def s3_url(self) -> None:
        return None

    def url(self, download_as: str | None = None) -> NoReturn:
        raise not_direct()

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenFile | None]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            yield OpenFile(descriptor)
        finally:
            os.close(descriptor)

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        left = size_bytes
        with open(self.path, "rb", buffering=0) as file:
            while left:
                piece = file.read(min(left, PIECE_BYTES))
                if not piece:
                    raise RuntimeError("a file of the service became shorter")
                left -= len(piece)
                yield piece


class FileStorage:
    """The files below `root`."""

    is_direct = False

    @property
    def incoming(self) -> Path:
        return self._incoming.folder

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (root, root / "uploads", root / "outputs"):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._incoming = Incoming(root / "incoming")
        for folder in (root, root.parent):
            sync_directory(folder)
        make_shards(root / "outputs")

    def upload(self, owner: str, sha256: str) -> KeptFile:
        return KeptFile(self.root / "uploads" / sha256[:2] / sha256)

    def output(self, job_id: str, attempt: int, name: str) -> KeptFile:
        return KeptFile(self.root / "outputs" / job_id[:2] / f"{job_id}.{attempt}" / name)

    @contextlib.asynccontextmanager
    async def keep_upload(
        self, owner: str, announced: str | None, chunks: AsyncIterator[bytes], limit_bytes: int
    ) -> AsyncIterator[tuple[str, int]]:
        async with contextlib.AsyncExitStack() as adding:
            with told_if_full(), self._incoming.aside() as (descriptor, aside):
                sha256, size = await receive(descriptor, announced, chunks, limit_bytes)
                await self._put(aside, sha256, adding)
            yield sha256, size

    @contextlib.asynccontextmanager
    async def keep_file(
        self, owner: str, announced: str, source: Path, limit_bytes: int
    ) -> AsyncIterator[tuple[str, int]]:
        taking = self._incoming.taken(source, limit_bytes)
        async with contextlib.AsyncExitStack() as adding:
            with told_if_full():
                # bytes are read and synced: others are served meanwhile
                aside, sha256, size = await asyncio.to_thread(taking.__enter__)
                try:
                    refuse_other(announced, sha256)
                    await self._put(aside, sha256, adding)
                finally:
                    taking.__exit__(None, None, None)
            yield sha256, size

    async def _put(self, aside: Path, sha256: str, adding: contextlib.AsyncExitStack) -> None:
        """Gives a file its place; until `adding` ends, nobody removes it."""
        final = self.upload("", sha256).path
        final.parent.mkdir(mode=0o700, exist_ok=True)
        await adding.enter_async_context(self._incoming.adding_one())
        aside.rename(final)
        sync_directory(final.parent)
        sync_directory(final.parent.parent)

    def sign_upload(
        self, kept: Kept, sha256: str, size_bytes: int, upload_id: str = "", first_part: int = 1
    ) -> NoReturn:
        raise not_direct()

    def finish_upload(
        self, kept: Kept, sha256: str, size_bytes: int, upload_id: str, parts: Sequence[str]
    ) -> NoReturn:
        raise not_direct()

    def launch_input(self, kept: Kept, url: str) -> dict[str, Any]:
        return {"path": str(kept.path)}

    def launch_stage_out(self, job_id: str, attempt: int) -> dict[str, Any]:
        path = self.output(job_id, attempt, "").path
        return {"directory": str(path), "on_disk": str(path.parent)}

    def checked(self, record: ExitRecord, held: Path | None = None) -> ExitRecord:
        if held is None:
            return record  # what its runner moved is here, or the machine is not
        from kotta_service.storage.taking import take_over

        kept = self.output(record.job_id, record.attempt, "").path
        with told_if_full():
            return take_over(record, held, kept)

    def stored(self) -> Iterator[Stored]:
        """All that lies there, outputs by the folder."""
        for path in _two_below(self.root / "outputs"):
            job_id, _, attempt = path.name.rpartition(".")
            number = int(attempt) if attempt.isdecimal() else 0
            yield Stored(str(path), job_id, number, _changed_at(path))
        for path in _two_below(self.root / "uploads"):
            yield Stored(str(path), "", 0, _changed_at(path))

    def remove(self, stored: Stored) -> None:
        remove_path(Path(stored.where))

    def forget_outputs(self, job_id: str, attempt: int) -> None:
        remove_path(self.output(job_id, attempt, "").path)

    def forget_upload(
        self, owner: str, sha256: str, before: float, is_wanted: Callable[[], bool]
    ) -> None:
        path = self.upload(owner, sha256).path
        with self._incoming.alone():
            # somebody may have sent the same again
            if not is_wanted() and _changed_at(path) < before:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held."""

    def problem(self) -> str:
        return "" if os.access(self.root, os.W_OK | os.X_OK) else f"{self.root} cannot be written"


def remove_path(path: Path) -> None:
    """Removes a file, or a folder and all in it, as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        if path.lstat().st_uid != os.geteuid():
            # what is in it may be changed meanwhile: this neither follows links nor waits for FIFOs
            subprocess.run(["rm", "-rf", "--", path], capture_output=True, check=False)
            return
        # a job may have left folders deeper than Python goes; they are told as left over
        with contextlib.suppress(RecursionError):
            shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _two_below(root: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        for folder in sorted(os.listdir(root)):
            with contextlib.suppress(NotADirectoryError, FileNotFoundError):
                for name in os.listdir(root / folder):
                    yield root / folder / name


def _changed_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()  # it is gone


def not_direct() -> ConflictError:
    """The error for what only a storage in S3 can do."""
    return ConflictError(
        "this service keeps files on its own disk: send them to it, and ask it for them",
        code="not_direct",
    )
