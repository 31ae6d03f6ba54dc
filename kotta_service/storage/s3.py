"""Uploads and outputs as objects below a prefix of one bucket.

Bytes come from clients and runners by signed URLs, one object each, and go to them the same way.
The service sees few of them, so it cannot know an upload by its hash alone: each lies below its
owner's name, where nobody else's word counts for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import anyio.to_thread

from kotta.errors import RequestError
from kotta.models.signed import MAX_PARTS, SignedUpload
from kotta_service.messages import ExitRecord, RecordedOutput
from kotta_service.s3_settings import S3Settings, split_url
from kotta_service.storage import Stored
from kotta_service.storage.bucket import S3, Bucket, Found
from kotta_service.storage.incoming import Incoming, not_taken, receive, told_if_full
from kotta_service.storage.refusing import without

if TYPE_CHECKING:
    from kotta_service.storage import Kept

PART_BYTES = 64 << 20
"""What is larger goes in parts, each of which can be sent again by itself."""
URLS_AT_ONCE = 32
PIECE_BYTES = 1 << 20
LOOKING = 8
_MIB = 1 << 20


@dataclass(frozen=True)
class OpenObject:
    """The bytes of an object, which never change."""

    bucket: Bucket
    key: str
    size: int

    def read(self, offset: int, count: int) -> bytes:
        count = min(count, self.size - offset)
        return self.bucket.read(self.key, offset, count) if count > 0 else b""


@dataclass(frozen=True)
class KeptObject:
    """A place in a bucket."""

    bucket: Bucket
    key: str
    seconds: int

    @property
    def path(self) -> None:
        return None

    @property
    def where(self) -> str:
        return self.s3_url

    @property
    def s3_url(self) -> str:
        return f"s3://{self.bucket.name}/{self.key}"

    def url(self, download_as: str | None = None) -> str:
        return self.bucket.sign_get(self.key, self.seconds, download_as)

    @contextlib.contextmanager
    def opened(self) -> Iterator[OpenObject | None]:
        found = self.bucket.find(self.key)
        yield None if found is None else OpenObject(self.bucket, self.key, found.size_bytes)

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        sent = 0
        for piece in self.bucket.pieces(self.key, PIECE_BYTES) if size_bytes else ():
            sent += len(piece)
            yield piece
        if sent != size_bytes:
            raise RuntimeError(f"{self.s3_url} has another size than it had")


class S3Storage:
    """What lies below `s3://bucket/prefix`.

    Args:
        incoming: a folder for what comes through the service.
    """

    is_direct = True
    incoming = None

    def __init__(self, url: str, settings: S3Settings, incoming: Path) -> None:
        self._s3 = S3(settings)
        name, prefix = split_url(url)
        self.bucket = Bucket(self._s3, name)
        self.prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._settings = settings
        self._incoming = Incoming(incoming)
        self._looking = ThreadPoolExecutor(LOOKING, thread_name_prefix="s3")

    def close(self) -> None:
        self._looking.shutdown(wait=False, cancel_futures=True)

    def upload(self, owner: str, sha256: str) -> KeptObject:
        return self._kept(f"uploads/{quote(owner, safe='@')}/{sha256[:2]}/{sha256}")

    def output(self, job_id: str, attempt: int, name: str) -> KeptObject:
        return self._kept(f"outputs/{job_id[:2]}/{job_id}.{attempt}/{name}")

    def _kept(self, key: str) -> KeptObject:
        return KeptObject(self.bucket, self.prefix + key, self._settings.signed_seconds)

    @contextlib.asynccontextmanager
    async def keep_upload(
        self, owner: str, announced: str | None, chunks: AsyncIterator[bytes], limit_bytes: int
    ) -> AsyncIterator[tuple[str, int]]:
        async with contextlib.AsyncExitStack() as adding:
            with told_if_full(), self._incoming.aside() as (descriptor, aside):
                # nothing has a name in the bucket before its hash is known
                sha256, size = await receive(descriptor, announced, chunks, limit_bytes)
                key = self.upload(owner, sha256).key
                await adding.enter_async_context(self._incoming.adding_one())
                await anyio.to_thread.run_sync(self.bucket.put_file, key, aside)
            yield sha256, size

    def keep_file(self, owner: str, announced: str, source: Path, limit_bytes: int) -> NoReturn:
        raise not_taken("it keeps files in S3")

    def sign_upload(
        self, kept: Kept, sha256: str, size_bytes: int, upload_id: str = "", first_part: int = 1
    ) -> SignedUpload:
        key, seconds = _key(kept), self._settings.signed_seconds
        if size_bytes <= PART_BYTES:
            url, headers = self.bucket.sign_put(key, seconds, sha256, size_bytes)
            return SignedUpload(part_bytes=size_bytes, urls=[url], headers=headers, seconds=seconds)
        part_bytes = part_bytes_of(size_bytes)
        count = -(-size_bytes // part_bytes)
        upload_id = upload_id or self.bucket.begin_parts(key, sha256)
        numbers = range(first_part, min(count, first_part + URLS_AT_ONCE - 1) + 1)
        return SignedUpload(
            upload_id=upload_id,
            part_bytes=part_bytes,
            first_part=first_part,
            urls=[self.bucket.sign_part(key, seconds, upload_id, number) for number in numbers],
            headers={},
            seconds=seconds,
        )

    def finish_upload(
        self, kept: Kept, sha256: str, size_bytes: int, upload_id: str, parts: Sequence[str]
    ) -> None:
        key = _key(kept)
        refused = ""
        if upload_id:
            refused = self.bucket.finish_parts(key, upload_id, enumerate(parts, 1))
        # it may have been finished before, by a request whose answer got lost
        with self._incoming.adding():
            words = _difference(self.bucket.find(key), size_bytes, sha256)
        if words:
            raise RequestError(
                f"the file did not arrive in the storage: {refused or words}",
                hint="send it again",
                code="not_arrived",
            )

    def launch_input(self, kept: Kept, url: str) -> dict[str, Any]:
        return {"signed": url}

    def launch_stage_out(self, job_id: str, attempt: int) -> dict[str, Any]:
        return {"signed": True, "give_up_seconds": self._settings.give_up_seconds}

    def checked(self, record: ExitRecord, held: Path | None = None) -> ExitRecord:
        made = [output for output in record.outputs if output.available]
        words = zip(made, self._looking.map(self._look(record), made), strict=True)
        wrong = {output.name: each for output, each in words if each}
        words_of = {name: f"is not in the storage: {words}" for name, words in wrong.items()}
        return without(record, words_of)

    def _look(self, record: ExitRecord) -> Any:
        def look(output: RecordedOutput) -> str:
            kept = self.output(record.job_id, record.attempt, output.name)
            return _difference(
                self.bucket.find(kept.key), output.size_bytes or 0, output.sha256 or ""
            )

        return look

    def stored(self) -> Iterator[Stored]:
        """All that lies there, object by object."""
        for each in self.bucket.objects(f"{self.prefix}outputs"):
            attempt = each.key.removeprefix(f"{self.prefix}outputs/").split("/")[1:2]
            job_id, _, number = (attempt or [""])[0].rpartition(".")
            known = int(number) if number.isdecimal() else 0
            yield Stored(self._where(each.key), job_id or "?", known, each.changed_at)
        for each in self.bucket.objects(f"{self.prefix}uploads"):
            yield Stored(self._where(each.key), "", 0, each.changed_at)

    def _where(self, key: str) -> str:
        return f"s3://{self.bucket.name}/{key}"

    def remove(self, stored: Stored) -> None:
        self.bucket.delete(stored.where.removeprefix(f"s3://{self.bucket.name}/"))

    def forget_outputs(self, job_id: str, attempt: int) -> None:
        for each in self.bucket.objects(self.output(job_id, attempt, "").key.rstrip("/")):
            self.bucket.delete(each.key)

    def forget_upload(
        self, owner: str, sha256: str, before: float, is_wanted: Callable[[], bool]
    ) -> None:
        key = self.upload(owner, sha256).key
        with self._incoming.alone():
            # somebody may have sent the same again, or be about to tell of it
            found = None if is_wanted() else self.bucket.find(key)
            if found is not None and found.changed_at < before:
                self.bucket.delete(key)

    def problem(self) -> str:
        return self.bucket.problem(self.prefix)


def part_bytes_of(size_bytes: int) -> int:
    """How much each part of a file holds: S3 takes 10,000 of them at most."""
    least = -(-size_bytes // MAX_PARTS)
    return max(PART_BYTES, -(-least // _MIB) * _MIB)


def _key(kept: Kept) -> str:
    assert isinstance(kept, KeptObject)
    return kept.key


def _difference(found: Found | None, size_bytes: int, sha256: str) -> str:
    """How an object differs from what was announced, in words; "" if it does not."""
    if found is None:
        return "there is none"
    if found.size_bytes != size_bytes:
        return f"it has {found.size_bytes} bytes of {size_bytes}"
    if found.sha256 and found.sha256 != sha256:
        return "its bytes are others"
    return ""
