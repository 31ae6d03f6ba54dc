"""Reads and writes files in S3 by signed URLs: straight, past the service.

Nothing is sent there but what a URL was signed with: no token, and nothing that says who asks. What
comes is as little trusted as what the service sends.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from kotta import bounded
from kotta._version import __version__
from kotta.certificates import refusal as certificate_refusal
from kotta.errors import (
    ConflictError,
    ConnectionFailedError,
    RequestError,
    ServiceFaultError,
    StorageFullError,
)
from kotta.http_pool import NoAnswerError, Pool, Reply, Request, UnsendableError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
MARGIN_SECONDS = 30
"""A URL that expires so soon is not used any more."""
AT_ONCE = 8
MAX_SMALL_BYTES = 2 << 20
_MAX_ERROR_BYTES = 64 << 10
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")
# Source: "Error responses" in the API references of Amazon S3, Ceph's gateway and MinIO; Swift says
# EntityTooLarge where a quota is reached
_FULL = ("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "EntityTooLarge")
_OTHER_BYTES = ("BadDigest", "XAmzContentChecksumMismatch", "InvalidRequest", "InvalidDigest")


class RefusedUrlError(ConnectionFailedError):
    """S3 does not take a URL (any more); another may do."""

    code = "url_refused"


class SignedFiles:
    """Connections to where signed URLs lead; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str, Pool] = {}
        self._pid = os.getpid()
        self._urls: dict[tuple[str, str], tuple[str, float]] = {}

    def close(self) -> None:
        with self._lock:
            pools, self._pools = self._pools, {}
            # those of the process that we were forked from are not ours to close
            for pool in pools.values() if self._pid == os.getpid() else ():
                pool.close()

    def known(self, job_id: str, name: str) -> str | None:
        """The URL of an output, if one was told that still counts."""
        url, until = self._urls.get((job_id, name), ("", 0.0))
        return url if time.monotonic() < until else None

    def remember(self, job_id: str, name: str, url: str, seconds: float) -> None:
        self._urls[job_id, name] = url, time.monotonic() + seconds - MARGIN_SECONDS

    def forget(self, job_id: str, name: str) -> None:
        self._urls.pop((job_id, name), None)

    @contextmanager
    def get(self, url: str, begin: int = 0, end: int | None = None) -> Iterator[Iterator[bytes]]:
        """The bytes of an object from `begin` on and before `end`, as they come.

        Raises:
            RefusedUrlError: S3 does not take the URL.
            ConnectionFailedError: it gives no answer now.
        """
        headers = {}
        if begin or end is not None:
            headers["Range"] = f"bytes={begin}-{'' if end is None else end - 1}"
        with _translated(url):
            reply = self._pool(url).send(_request("GET", url, headers, None, is_streamed=True))
            try:
                if reply.status not in (200, 206):
                    raise _failure(url, reply)
                begins = f"bytes {begin}-"
                is_part = reply.headers.get("content-range", "").startswith(begins)
                if headers and not (reply.status == 206 and is_part):
                    raise _strange(url, "it sends another part of the file than was asked for")
                bounded.check_encoding(reply)
                yield reply.chunks()
            finally:
                reply.close()

    def whole_ones(self, urls: Sequence[str]) -> Iterator[bytes]:
        """The bytes of each of these small objects, in order."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(AT_ONCE) as threads:
            yield from threads.map(self._whole, urls)

    def put(
        self, url: str, headers: Mapping[str, str], content: Iterable[bytes], size_bytes: int
    ) -> str:
        """Writes bytes; what S3 calls them (`ETag`).

        Raises:
            RequestError: they are not those that were announced (`hash_mismatch`).
            StorageFullError: there is no room for them.
            RefusedUrlError: S3 does not take the URL.
            ConnectionFailedError: it gives no answer now.
        """
        sent = {**headers, "Content-Length": str(size_bytes)}
        with _translated(url):
            reply = self._pool(url).send(_request("PUT", url, sent, content))
            try:
                if reply.status != 200:
                    raise _failure(url, reply)
                bounded.content_of(reply, _MAX_ERROR_BYTES)
                return reply.headers.get("etag", "")
            finally:
                reply.close()

    def _whole(self, url: str) -> bytes:
        with self.get(url) as chunks:
            content = bytearray()
            for chunk in chunks:
                content += chunk
                if len(content) > MAX_SMALL_BYTES:
                    raise _strange(url, "it sends more than it said")
            return bytes(content)

    def _pool(self, url: str) -> Pool:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if self._pid != os.getpid():
                self._pools, self._pid = {}, os.getpid()
            if origin not in self._pools:
                if parts.scheme not in ("http", "https") or not parts.hostname:
                    raise _strange(url, "it is no http or https")
                self._pools[origin] = Pool(origin)
            return self._pools[origin]


def _request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Iterable[bytes] | None,
    *,
    is_streamed: bool = False,
) -> Request:
    parts = urlsplit(url)
    sent = {"User-Agent": f"kotta/{__version__}", "Accept-Encoding": "identity", **headers}
    return Request(
        method,
        f"{parts.path}?{parts.query}" if parts.query else parts.path,
        sent,
        body,
        connect_seconds=CONNECT_SECONDS,
        answer_seconds=ANSWER_SECONDS,
        is_streamed=is_streamed,
    )


def _failure(url: str, reply: Reply) -> Exception:
    found = _CODE.search(bounded.content_of(reply, _MAX_ERROR_BYTES))
    code = found[1].decode() if found else ""
    words = f"{_where(url)} answers {reply.status}{code and ' ' + code}"
    if code in _FULL or reply.status == 507:
        return StorageFullError(
            f"the service's storage is full: {words}",
            hint="its administrator has to make room; then repeat this",
        )
    if code == "InvalidObjectState":
        return ConflictError(
            f"the file lies in an archive: {words}",
            hint="the service's administrator has to restore it first",
        )
    if code in _OTHER_BYTES:
        return RequestError(
            f"the bytes that came are not those that were announced: {words}",
            hint="the file changed while it was sent, or was damaged on its way: repeat it",
            code="hash_mismatch",
        )
    if reply.status in (400, 401, 403):
        return RefusedUrlError(words, hint="repeat the command; is this computer's clock right?")
    if reply.status >= 500 or reply.status in (408, 429):
        return ConnectionFailedError(words, hint="repeat the command later")
    return ServiceFaultError(
        f"{words}: the service's storage lacks a file that the service knows",
        hint="tell its administrator",
    )


def _strange(url: str, words: str) -> ServiceFaultError:
    return ServiceFaultError(
        f"what answers at {_where(url)} is no storage of a service's: {words}",
        hint="tell the service's administrator",
    )


def _where(url: str) -> str:
    # without path and query: a signature is as good as a key
    parts = urlsplit(url)
    return f"the storage at {parts.scheme}://{parts.netloc}"


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Makes the errors of what is below ours."""
    try:
        yield
    except UnsendableError as error:
        raise _strange(url, "its URL cannot be asked for") from error
    except NoAnswerError as error:
        if (refused := certificate_refusal(_where(url), error)) is not None:
            raise refused from error
        raise ConnectionFailedError(
            f"no answer from {_where(url)}: {error}", hint="can this computer reach it?"
        ) from error
    except bounded.OutOfBoundsError as error:
        raise _strange(url, str(error)) from error
