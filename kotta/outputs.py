"""`KOut`: one file that a job made, or did not."""

from __future__ import annotations

import contextlib
import html
import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from kotta.errors import NotFoundError, TransferError

if TYPE_CHECKING:
    from kotta.client import Kotta

_LINK = re.compile(r'^<a href="([^"]*)">(.*)</a>$', re.DOTALL)
_NOT_MADE = re.compile(r"^<i>(.*)</i>$", re.DOTALL)
_BUCKET_HOST = re.compile(r"^(?P<bucket>.+)\.s3[.-][a-z0-9.-]*amazonaws\.com$")
_PATH_HOST = re.compile(r"^s3[a-z0-9.-]*\.amazonaws\.com$")
FETCH_SECONDS = 60.0


class KOut:
    """A file that a job left behind.

    Args:
        filestring: a URL, a plain name, or an output as the first service told of it:
            `<a href="URL">name</a>`, and `<i>name</i>` for a file that was not made.
        konn: where `kotta://` URLs lead to; None: `Kotta()`.
        s3_url: where it lies in S3, if its service keeps it there.
    """

    def __init__(
        self, filestring: str, konn: Kotta | None = None, *, s3_url: str | None = None
    ) -> None:
        self._konn = konn
        self._s3_url = s3_url
        self._url: str | None = None
        if link := _LINK.match(filestring):
            self._url, self._file = html.unescape(link[1]), html.unescape(link[2])
        elif not_made := _NOT_MADE.match(filestring):
            self._file = html.unescape(not_made[1])
        elif "://" in filestring:
            self._url = filestring
            self._file = unquote(urlsplit(filestring).path.rstrip("/").rpartition("/")[2])
        else:
            self._file = filestring

    @property
    def url(self) -> str | None:
        """Where it can be read, None while it was not made."""
        return self._url

    @property
    def s3_url(self) -> str | None:
        """Its URL as an input of another job, None while it was not made.

        `kotta://jobs/<id>/<name>` for an output that the service keeps, `s3://bucket/key` on S3.
        """
        if self._s3_url is not None:
            return self._s3_url
        return None if self._url is None else _as_input(self._url)

    @property
    def file(self) -> str:
        """Its name, without any folder."""
        return self._file

    def fetch(self, filename: str | os.PathLike[str] | None = None) -> str:
        """Brings it here.

        Args:
            filename: what to call it; None: its own name, in the current directory.

        Returns:
            The path it was written to; one that was there is replaced once all bytes have come.

        Raises:
            NotFoundError: the job did not make it.
            TransferError: it cannot be brought.
        """
        target = os.fspath(filename) if filename is not None else os.path.basename(self._file)
        # of a name that is short, and nobody else's
        aside = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.part")
        try:
            with open(aside, "xb") as file:
                self._copy_to(file)
            os.replace(aside, target)
        except OSError as error:
            raise TransferError(f"{target}: {error.strerror or error}") from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
        return target

    def get_data(self) -> str:
        """Brings it into the current directory under its own name; see `fetch`."""
        return self.fetch()

    def read(self) -> str:
        """Its content, which must be UTF-8 text; errors as in `fetch`."""
        content = io.BytesIO()
        self._copy_to(content)
        return content.getvalue().decode()

    def __repr__(self) -> str:
        return f"KOut({self._url or self._file!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KOut):
            return NotImplemented
        return (self._url, self._file) == (other._url, other._file)

    def __hash__(self) -> int:
        return hash((self._url, self._file))

    def __deepcopy__(self, memo: Any) -> KOut:
        return self  # nothing about it changes, and a connection is not copied

    def _copy_to(self, file: IO[bytes]) -> None:
        with self._opened() as chunks:
            for chunk in chunks:
                file.write(chunk)

    @contextmanager
    def _opened(self) -> Iterator[Iterator[bytes]]:
        if self._url is None:
            raise NotFoundError(
                f"there is no file `{self._file}`: its job has not made it",
                hint="its stderr may say why",
            )
        parts = urlsplit(self._url)
        if parts.scheme == "kotta" and parts.netloc == "jobs":
            job_id, _, name = parts.path.lstrip("/").partition("/")
            with self._connection().api.output(job_id, unquote(name)) as (_, chunks):
                yield chunks
        elif parts.scheme in ("http", "https"):
            with _downloaded(self._url) as chunks:
                yield chunks
        else:
            raise TransferError(
                f"{self._url} cannot be read from here", hint="a job can have it as an input"
            )

    def _connection(self) -> Kotta:
        if self._konn is None:
            from kotta.client import Kotta

            self._konn = Kotta()
        return self._konn


@contextmanager
def _downloaded(url: str) -> Iterator[Iterator[bytes]]:
    from kotta._httpx import httpx

    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=FETCH_SECONDS) as answer:
            answer.raise_for_status()
            yield answer.iter_bytes(1 << 18)
    except httpx.HTTPError as error:
        # without the query: that of a signed URL is as good as a key
        raise TransferError(f"{url.partition('?')[0]} cannot be read: {error!r}") from error


def _as_input(url: str) -> str:
    """The URL under which a job can have the file; S3's own are told by their hosts.

    Source: Amazon S3 user guide, "Virtual hosting of buckets": bucket.s3.region.amazonaws.com/key
    and s3.region.amazonaws.com/bucket/key.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or not host.endswith("amazonaws.com"):
        return url
    if _PATH_HOST.match(host):
        return f"s3:/{unquote(parts.path)}"
    if bucket := _BUCKET_HOST.match(host):
        return f"s3://{bucket['bucket']}{unquote(parts.path)}"
    return url
