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
from typing import Any, Dict, List, Optional, Tuple, cast

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


class Download:
    """An object's bytes as they come; it must be closed."""

    def __init__(self, connection: http.client.HTTPConnection, answer: Any) -> None:
        self._connection = connection
        self._answer = answer

    @property
    def size(self) -> Optional[int]:
        """How many bytes there are to read, None if S3 does not say."""
        length = self._answer.headers.get("Content-Length") or ""
        return int(length) if length.isdigit() else None

    def read(self, count: int) -> bytes:
        """The next bytes; b"" at the end, and where it was cut.

        Raises:
            AwayError: it was cut.
        """
        try:
            return bytes(self._answer.read(count))
        except (OSError, http.client.HTTPException) as error:
            raise AwayError("the storage was cut off: %s" % _words(error)) from error

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


class Storage:
    """Connections to S3, kept for the next request to the same host; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: Dict[str, List[http.client.HTTPConnection]] = {}

    def put(self, url: str, headers: Dict[str, str], file: int, begin: int, size: int) -> str:
        """Writes some bytes of an open file; what S3 calls them (`ETag`).

        Raises:
            AwayError: S3 does not answer, or refuses.
        """
        sent = {**headers, "Content-Length": str(size)}
        connection, answer = self._ask("PUT", url, sent, Slice(file, begin, size))
        answer.read()
        with self._lock:
            self._idle.setdefault(_host(url), []).append(connection)
        return answer.headers.get("ETag") or ""

    def get(self, url: str, begin: int) -> Download:
        """An object from `begin` on.

        Raises:
            AwayError: S3 does not answer, or refuses.
        """
        headers = {"Range": "bytes=%d-" % begin} if begin else {}
        connection, answer = self._ask("GET", url, headers, None)
        if begin and answer.status != 206:
            answer.close()
            connection.close()
            raise RefusedError(answer.status, "in place of the range that was asked for")
        return Download(connection, answer)

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()

    def _ask(
        self, method: str, url: str, headers: Dict[str, str], body: Optional[Slice]
    ) -> Tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urllib.parse.urlsplit(url)
        with self._lock:
            idle = self._idle.get(_host(url))
            connection = idle.pop() if idle else None
        proxy = _proxy(parts.scheme, parts.netloc)
        target = parts.path + ("?" + parts.query if parts.query else "")
        if proxy and parts.scheme == "http":
            target = url
        connection = connection or _made(parts.scheme, parts.netloc, proxy)
        try:
            connection.request(method, target, cast(Any, body), headers)
            answer: http.client.HTTPResponse = connection.getresponse()
            if 200 <= answer.status < 300:
                return connection, answer
            found = _CODE.search(answer.read(64 << 10))
            answer.close()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise AwayError("the storage does not answer: %s" % _words(error)) from error
        connection.close()
        raise RefusedError(answer.status, found[1].decode() if found else "")


def _host(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme + "://" + parts.netloc


def _proxy(scheme: str, netloc: str) -> str:
    """The proxy that the environment names for a host, "" for none."""
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(netloc):
        return ""
    return urllib.parse.urlsplit(found).netloc.rpartition("@")[2]


def _made(scheme: str, netloc: str, proxy: str) -> http.client.HTTPConnection:
    options: Dict[str, Any] = {"timeout": SILENCE_SECONDS, "blocksize": BLOCK_BYTES}
    if scheme != "https":
        return http.client.HTTPConnection(proxy or netloc, **options)
    trust = ssl.create_default_context()
    secure = http.client.HTTPSConnection(proxy or netloc, context=trust, **options)
    if proxy:
        secure.set_tunnel(netloc)
    return secure


def _words(error: BaseException) -> str:
    if isinstance(error, socket.timeout):
        return "silent for %d s" % SILENCE_SECONDS
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]
