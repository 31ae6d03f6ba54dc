"""Links that need no token: signed, for one file, for 25 minutes.

What is signed is said in full, so that no link is good for anything but its own file. The signature
is one word without `&`, because not all of the first clients undo the escaping of HTML.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from kotta.errors import ForbiddenError, RequestError
from kotta_service import named_uploads
from kotta_service.parts import Parts

SECONDS = 25 * 60
PREFIX = "/rest/v1"


@dataclass(frozen=True)
class Grant:
    """A signature that fits.

    Attributes:
        signature: what is told apart by it: one link.
        expires_at: seconds since 1970.
    """

    signature: str
    expires_at: int


class Links:
    """Makes and checks the links of one service."""

    def __init__(self, parts: Parts) -> None:
        self._key = parts.tokens.key_for("links")
        # by its own socket it has no name that others know
        self._url = parts.settings.serve.url if parts.is_shared else "http://localhost"
        self._bucket = parts.settings.serve.bucket

    def to_output(self, job_id: str, attempt: int, name: str) -> str:
        path = f"{PREFIX}/outputs/{job_id}/{attempt}/{quote(name, safe='')}"
        return f"{self._url}{path}?{self._query('output', job_id, str(attempt), name)}"

    def to_input(self, job_id: str, position: int, name: str) -> str:
        path = f"{PREFIX}/inputs/{job_id}/{position}/{quote(name, safe='')}"
        return f"{self._url}{path}?{self._query('input', job_id, str(position), name)}"

    def output_at(self, url: str) -> tuple[str, str] | None:
        """Job and name of the output that a link of ours leads to, None if it is none, or old."""
        begin = f"{self._url}{PREFIX}/outputs/"
        path, _, query = url.partition("?signature=")
        parts = path.removeprefix(begin).split("/")
        if not path.startswith(begin) or len(parts) != 3:
            return None
        job_id, attempt, name = (unquote(part) for part in parts)
        try:
            self.check(query, "output", job_id, attempt, name)
        except ForbiddenError:
            return None
        return job_id, name

    def for_upload(self, owner: str, name: str) -> str:
        """Where one file may be put, as that of this name.

        Raises:
            RequestError: the service's address has no room for the bucket's name.
        """
        query = self._query("upload", owner, name)
        return f"{self._bucket_url()}/{named_uploads.key(owner, name)}?{query}"

    def check(self, signature: str, *what: str) -> Grant:
        """What a signature grants for a link to `what`.

        Raises:
            ForbiddenError: nothing: it is none, for something else, or has expired.
        """
        expires, _, rest = signature.partition(".")
        nonce, _, given = rest.partition(".")
        fits = hmac.compare_digest(given.encode(), self._sign(expires, nonce, *what).encode())
        if not fits or not expires.isdecimal():
            raise ForbiddenError("this link is none of ours", code="link_invalid")
        if int(expires) <= time.time():
            raise ForbiddenError(
                "this link has expired",
                hint="ask for the job's status again: that gives new links",
                code="link_expired",
            )
        return Grant(given, int(expires))

    def _query(self, *what: str) -> str:
        expires, nonce = str(int(time.time()) + SECONDS), secrets.token_hex(8)
        return f"signature={expires}.{nonce}.{self._sign(expires, nonce, *what)}"

    def _sign(self, *what: str) -> str:
        # names hold no control characters, so that no two things read the same
        return hmac.new(self._key, "\n".join(what).encode(), hashlib.sha256).hexdigest()

    def _bucket_url(self) -> str:
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        try:
            if not ipaddress.ip_address(host).is_loopback:
                raise RequestError(
                    f"uploads need a name for this service, not its address {host}: its "
                    "administrator sets `public_url`"
                )
            # Source: RFC 6761, 6.3: names below `localhost` are this machine
            host = "localhost"
        except ValueError:
            pass
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{self._bucket}.{host}{port}"
