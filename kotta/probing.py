"""Looks whether inputs can be had, without bringing them: the first byte of each is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kotta._httpx import httpx

PROBE_SECONDS = 10.0
AT_ONCE = 8
MAX_REDIRECTS = 5
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


@dataclass(frozen=True)
class Probe:
    """What was found at a URL.

    Attributes:
        problem: why it cannot be had from here, "" if it can.
        size_bytes: its size, None where the server does not say.
    """

    url: str
    problem: str = ""
    size_bytes: int | None = None


def probe(urls: Sequence[str]) -> list[Probe]:
    """Asks for one byte of each `http` or `https` URL, several at a time, in order.

    A job may run elsewhere and see the network differently.
    """
    if not urls:
        return []
    with (
        httpx.Client(
            follow_redirects=True, max_redirects=MAX_REDIRECTS, timeout=PROBE_SECONDS
        ) as client,
        ThreadPoolExecutor(min(AT_ONCE, len(urls))) as pool,
    ):
        return list(pool.map(lambda url: _probe(client, url), urls))


def _probe(client: httpx.Client, url: str) -> Probe:
    try:
        headers = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
        with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code == 416:
                return Probe(url, size_bytes=0)  # there is not even a first byte
            if answer.status_code not in (200, 206):
                return Probe(url, f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip())
            return Probe(url, size_bytes=_size(answer))
    except httpx.TimeoutException:
        return Probe(url, f"no answer in {PROBE_SECONDS:g} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Probe(url, _ERRNO.sub("", str(error)) or type(error).__name__)


def _size(answer: httpx.Response) -> int | None:
    # Source: RFC 9110, 14.4: Content-Range: bytes 0-0/1234
    text = answer.headers.get("content-range", "").rpartition("/")[2]
    if answer.status_code == 200:
        text = answer.headers.get("content-length", "")
    return int(text) if text.isdigit() else None
