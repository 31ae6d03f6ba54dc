"""How the bytes of outputs come: from the service, from this machine's disk, or from S3."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from kotta.answers import Answer
from kotta.connection import Connection
from kotta.errors import NotFoundError

if TYPE_CHECKING:
    from kotta.signed import SignedFiles

DISK_CHUNK_BYTES = 1 << 20
MAX_URLS_BYTES = 8 << 20
_JOB_ID = re.compile(r"[0-9A-Za-z-]{1,64}\Z")


class OutputRoutes:
    """The routes that answer with outputs' bytes, or with where those are.

    Args:
        is_local: the service is this user's own, on this machine.
    """

    def __init__(self, connection: Connection, *, is_local: bool) -> None:
        self._connection = connection
        self._is_local = is_local
        # what is in S3 comes from there whichever of these is said
        self._accept = {"Kotta-Accept": "path" if is_local else "url"}

    @cached_property
    def _signed(self) -> SignedFiles:
        from kotta.signed import SignedFiles

        return SignedFiles()

    def close_signed(self) -> None:
        """Gives the connections to S3 back; the next use makes new ones."""
        if "_signed" in self.__dict__:
            self._signed.close()

    @contextmanager
    def output(
        self, job_id: str, name: str, offset: int = 0, etag: str = ""
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """An output's bytes as they come; the local service's are read from its disk.

        Args:
            offset: where to begin, if the file still has this `etag`.

        Yields:
            Where the bytes really begin (0 if the service sends all of it), and the bytes.
        """
        headers = {"Range": f"bytes={offset}-", "If-Range": etag} if offset else {}
        with ExitStack() as stack:
            url = self._known(job_id, name)
            if url is None:
                path = _output_path(job_id, name)
                answer, chunks = stack.enter_context(
                    self._connection.stream(path, {**headers, **self._accept})
                )
                if answer.status == 204 and "kotta-path" in answer.headers:
                    begins = offset if answer.headers.get("etag") == etag else 0
                    with open(unquote(answer.headers["kotta-path"]), "rb") as file:
                        file.seek(begins)
                        yield begins, iter(partial(file.read, DISK_CHUNK_BYTES), b"")
                    return
                url = self._told(answer, job_id, name)
                if url is None:
                    yield _begins_at(answer, offset), chunks
                    return
                stack.close()
            with self._from_s3(job_id, name, url, offset) as chunks:
                yield offset, chunks

    @contextmanager
    def output_range(
        self, job_id: str, name: str, begin: int, end: int, etag: str
    ) -> Iterator[Iterator[bytes] | None]:
        """The bytes from `begin` on and before `end` as they come, if the file has this `etag`.

        Yields:
            None if the service sends all of it instead.
        """
        headers = {"Range": f"bytes={begin}-{end - 1}", "If-Range": etag, **self._accept}
        with ExitStack() as stack:
            url = self._known(job_id, name)
            if url is None:
                answer, chunks = stack.enter_context(
                    self._connection.stream(_output_path(job_id, name), headers)
                )
                url = self._told(answer, job_id, name)
                if url is None:
                    whole = _begins_at(answer, begin, sent_whole=-1) != begin
                    yield None if whole else chunks
                    return
                stack.close()
            with self._from_s3(job_id, name, url, begin, end) as chunks:
                yield chunks

    @contextmanager
    def many_outputs(self, job_id: str, names: Sequence[str]) -> Iterator[Iterator[bytes]]:
        """The bytes of up to 1,000 small outputs, one after another, as they come."""
        with ExitStack() as stack:
            answer, chunks = stack.enter_context(
                self._connection.stream(
                    f"{job_path(job_id)}/outputs",
                    {"Kotta-Accept": "url"},
                    method="POST",
                    content=_names(names),
                )
            )
            if answer.headers.get("content-type", "").partition(";")[0] != "application/json":
                yield chunks
                return
            urls = _urls(answer, chunks, len(names))
            stack.close()
            yield self._signed.whole_ones(urls)

    def output_folder(self, job_id: str, names: Sequence[str]) -> Path | None:
        """Where these outputs (1,000 at most) lie on this machine.

        Returns:
            None where the service is not this user's local one, or does not tell.
        """
        if not self._is_local:
            return None
        with self._connection.stream(
            f"{job_path(job_id)}/outputs",
            {"Kotta-Accept": "path"},
            method="POST",
            content=_names(names),
        ) as (answer, _):
            folder = answer.headers.get("kotta-path") if answer.status == 204 else None
        return None if folder is None else Path(unquote(folder))

    @contextmanager
    def _from_s3(
        self, job_id: str, name: str, url: str, begin: int, end: int | None = None
    ) -> Iterator[Iterator[bytes]]:
        from kotta.signed import RefusedUrlError

        try:
            with self._signed.get(url, begin, end) as chunks:
                yield chunks
        except RefusedUrlError:
            # it has expired before its time; who asks again gets another
            self._signed.forget(job_id, name)
            raise

    def _known(self, job_id: str, name: str) -> str | None:
        """Where in S3 an output lies, if that was told a moment ago."""
        return self._signed.known(job_id, name) if "_signed" in self.__dict__ else None

    def _told(self, answer: Answer, job_id: str, name: str) -> str | None:
        """Where in S3 an output lies, if that is what the service answers."""
        url = answer.headers.get("kotta-url")
        if answer.status != 204 or url is None:
            return None
        seconds = answer.headers.get("kotta-url-seconds", "")
        self._signed.remember(job_id, name, url, int(seconds) if seconds.isdigit() else 0)
        return url


def _urls(answer: Answer, chunks: Iterator[bytes], count: int) -> list[str]:
    from kotta.models.signed import SignedFiles as Signed

    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_URLS_BYTES:
            raise answer.strange("its answer is longer than any should be")
    try:
        urls = Signed.model_validate_json(bytes(content)).urls
    except ValueError as error:
        raise answer.strange("its answer is no list of URLs") from error
    if len(urls) != count:
        raise answer.strange(f"it tells of {len(urls)} files for {count}")
    return urls


def job_path(job_id: str) -> str:
    """The path of what is about a job."""
    # what can be no id must not become another path: `..` would
    if not _JOB_ID.match(job_id):
        raise NotFoundError(f"there is no job `{job_id}`", hint="kotta list shows your jobs")
    return f"/jobs/{job_id}"


def _output_path(job_id: str, name: str) -> str:
    return f"{job_path(job_id)}/outputs/{quote(name, safe='')}"


def _names(names: Sequence[str]) -> bytes:
    return json.dumps({"names": list(names)}).encode()


def _begins_at(answer: Answer, offset: int, sent_whole: int = 0) -> int:
    if answer.status == 200:
        return sent_whole
    if not answer.headers.get("content-range", "").startswith(f"bytes {offset}-"):
        raise answer.strange("it sends another part of the file than the one asked for")
    return offset
