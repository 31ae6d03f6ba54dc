"""Reads from and writes to S3 by signed URLs. Apart from the rest, as it is slow to import.

Nothing is sent along but what the URL was signed with, and no redirect is followed: what is signed
is good for one place.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import threading
import urllib.parse
import urllib.request
from typing import Any, Dict, Optional, Tuple, cast

from kotta_runner.asking import AwayError

SILENCE_SECONDS = 60
BLOCK_BYTES = 1 << 20
_CODE = re.compile(rb"<Code>(\w{1,64})</Code>")
_AGAIN = (408, 425, 429)


class RefusedError(AwayError):
    """S3 does not do what is asked.

    Attributes:
        status: of HTTP.
        code: what S3 calls the reason, "" if it does not say.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__("the storage answers %d%s" % (status, code and " " + code))
        self.status = status
        self.code = code

    @property
    def may_pass(self) -> bool:
        """Whether the same may work later."""
        return self.status >= 500 or self.status in _AGAIN


class Slice:
    """Some bytes of an open file as http.client sends them; several threads may have one each."""

    def __init__(self, file: int, begin: int, size: int) -> None:
        self._file = file
        self._place = begin
        self._end = begin + size

    def read(self, count: int = -1) -> bytes:
        left = self._end - self._place
        chunk = os.pread(self._file, left if count < 0 else min(count, left), self._place)
        if not chunk and left and count:
            raise OSError("it became shorter while it was sent")
        self._place += len(chunk)
        return chunk


class Storage:
    """Connections to S3, one for each thread and host, kept for the next request."""

    def __init__(self) -> None:
        self._own = threading.local()

    def put(self, url: str, headers: Dict[str, str], file: int, begin: int, size: int) -> str:
        """Writes some bytes of an open file; what S3 calls them (`ETag`).

        Raises:
            AwayError: S3 does not answer, or refuses.
        """
        sent = {**headers, "Content-Length": str(size)}
        answer = self._ask("PUT", url, sent, Slice(file, begin, size))
        answer.read()
        return answer.headers.get("ETag") or ""

    def get(self, url: str, begin: int) -> http.client.HTTPResponse:
        """An answer that has an object from `begin` on, to be read.

        Raises:
            AwayError: S3 does not answer, or refuses.
        """
        self._forget(url)  # of the answer before, something may be left to be read
        headers = {"Range": "bytes=%d-" % begin} if begin else {}
        answer = self._ask("GET", url, headers, None)
        if begin and answer.status != 206:
            self._forget(url)
            raise RefusedError(answer.status, "in place of the range that was asked for")
        return answer

    def _ask(
        self, method: str, url: str, headers: Dict[str, str], body: Optional[Slice]
    ) -> http.client.HTTPResponse:
        connection, target = self._connection(url)
        try:
            connection.request(method, target, cast(Any, body), headers)
            answer: http.client.HTTPResponse = connection.getresponse()
            if 200 <= answer.status < 300:
                return answer
            found = _CODE.search(answer.read(64 << 10))
        except (OSError, http.client.HTTPException) as error:
            self._forget(url)
            raise AwayError("the storage does not answer: %s" % _words(error)) from error
        self._forget(url)
        raise RefusedError(answer.status, found[1].decode() if found else "")

    def _connection(self, url: str) -> Tuple[Any, str]:
        parts = urllib.parse.urlsplit(url)
        kept = self._own.__dict__.setdefault("kept", {})
        target = parts.path + ("?" + parts.query if parts.query else "")
        if parts.netloc not in kept:
            kept[parts.netloc] = _made(parts.scheme, parts.netloc)
        connection, through_proxy = kept[parts.netloc]
        return connection, (url if through_proxy else target)

    def _forget(self, url: str) -> None:
        kept = self._own.__dict__.setdefault("kept", {})
        found = kept.pop(urllib.parse.urlsplit(url).netloc, None)
        if found is not None:
            found[0].close()


def _made(scheme: str, netloc: str) -> Tuple[Any, bool]:
    """A connection to a host, and whether it is asked for whole URLs, as a proxy is."""
    proxy = urllib.request.getproxies().get(scheme)
    is_direct = not proxy or bool(urllib.request.proxy_bypass(netloc))
    place = netloc if is_direct else urllib.parse.urlsplit(str(proxy)).netloc.rpartition("@")[2]
    options: Dict[str, Any] = {"timeout": SILENCE_SECONDS, "blocksize": BLOCK_BYTES}
    if scheme != "https":
        return http.client.HTTPConnection(place, **options), not is_direct
    secure = http.client.HTTPSConnection(place, context=ssl.create_default_context(), **options)
    if not is_direct:
        secure.set_tunnel(netloc)
    return secure, False


def _words(error: BaseException) -> str:
    if isinstance(error, socket.timeout):
        return "silent for %d s" % SILENCE_SECONDS
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]
