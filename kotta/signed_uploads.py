"""Sends files straight to S3: whole, or in parts side by side; what arrived is not sent again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

from kotta.api import Api
from kotta.errors import ConnectionFailedError, RequestError
from kotta.models.signed import SignedUpload
from kotta.workers import Stop, together

TRIES = 5
"""How often in a row nothing may get through."""
PARTS_AT_ONCE = 4

Read = Callable[[int, int], Iterator[bytes]]
"""Gives so many bytes from a place on, as often as they have to be sent."""
Sent = Callable[[int], None]
"""Told how many bytes more have been sent."""


def send(
    api: Api,
    sha256: str,
    size_bytes: int,
    read: Read,
    sent: Sent,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Makes the service have these bytes.

    Args:
        check: raises if they are others by now; asked when all have been sent, as S3 does not hash
            what comes in parts.

    Raises:
        RequestError: other bytes than these have come (`hash_mismatch`).
        ConnectionFailedError: S3 cannot be reached; what had come of it counts for nothing.
    """
    _Sending(api, sha256, size_bytes, read, sent).to_its_end(check)


class _Sending:
    def __init__(self, api: Api, sha256: str, size_bytes: int, read: Read, sent: Sent) -> None:
        self._api = api
        self._sha256 = sha256
        self._size = size_bytes
        self._read = read
        self._sent = sent
        self._upload_id = ""
        self._etags: dict[int, str] = {}
        self._lock = threading.Lock()

    def to_its_end(self, check: Callable[[], None]) -> None:
        cuts = 0
        while True:
            before = len(self._etags)
            try:
                self._send_the_rest()
                check()
                parts = [self._etags[number] for number in sorted(self._etags)]
                self._api.finish_upload(
                    self._sha256, self._size, self._upload_id, parts if self._upload_id else ()
                )
                return
            except RequestError as error:
                if error.code != "not_arrived":
                    raise
                self._upload_id, self._etags = "", {}
                cuts += 1
                failure: Exception = error
            except ConnectionFailedError as error:
                cuts = cuts + 1 if len(self._etags) == before else 0
                failure = error
            if cuts == TRIES:
                raise failure

    def _send_the_rest(self) -> None:
        while True:
            first = 1
            while first in self._etags:
                first += 1
            signed = self._api.sign_upload(self._sha256, self._size, self._upload_id, first)
            self._upload_id = signed.upload_id
            stop = Stop()
            together(
                (
                    partial(self._send_part, signed, number, url, stop)
                    for number, url in enumerate(signed.urls, signed.first_part)
                    if number not in self._etags
                ),
                min(PARTS_AT_ONCE, len(signed.urls)),
                stop,
            )
            if not self._upload_id or len(self._etags) * signed.part_bytes >= self._size:
                return

    def _send_part(self, signed: SignedUpload, number: int, url: str, stop: Stop) -> None:
        begin = (number - 1) * signed.part_bytes
        size = min(signed.part_bytes, self._size - begin)
        etag = self._api.put_signed(url, signed.headers, self._told(begin, size, stop), size)
        self._etags[number] = etag

    def _told(self, begin: int, size: int, stop: Stop) -> Iterator[bytes]:
        for chunk in self._read(begin, size):
            stop.check()
            yield chunk
            with self._lock:
                self._sent(len(chunk))
