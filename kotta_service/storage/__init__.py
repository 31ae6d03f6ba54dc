"""Where uploads and outputs are kept: behind one protocol, in files or in S3.

::

    uploads/…                  an uploaded file, by the SHA-256 of its bytes
    outputs/4f/4f6c….1/NAME    an output of a job's first attempt

What is in the storage counts only once the database says so: an upload by its row, an output by the
manifest of its job's exit record.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kotta.errors import UnavailableError

if TYPE_CHECKING:
    from kotta.models.signed import SignedUpload
    from kotta_service.messages import ExitRecord


class StorageAwayError(UnavailableError):
    """The storage cannot be used now; what was asked for may be asked again."""

    code = "storage_unavailable"


@dataclass(frozen=True)
class Stored:
    """What lies in the storage, whether the database knows of it or not.

    Attributes:
        where: its place, in words; the same as that of what is kept there.
        job_id: whose outputs it is of; "" for an upload.
        changed_at: seconds since 1970.
    """

    where: str
    job_id: str
    attempt: int
    changed_at: float


class Content(Protocol):
    """The bytes of a file that is there."""

    @property
    def size(self) -> int:
        """How many there are now."""

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset` on; fewer only at the end."""


class Kept(Protocol):
    """A place in the storage, at which there may be a file."""

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine; None: not on its disk."""

    @property
    def where(self) -> str:
        """The same in words."""

    @property
    def s3_url(self) -> str | None:
        """What those call it who know the bucket; None: it is in none."""

    def url(self, download_as: str | None = None) -> str:
        """Where whoever has this URL can read it for a while.

        Args:
            download_as: the name under which browsers shall keep it, rather than show it.
        """

    def opened(self) -> AbstractContextManager[Content | None]:
        """Its bytes; None if there is none (yet)."""

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        """All of its bytes, in pieces; it has to have so many."""


class Storage(Protocol):
    """Keeps uploads and outputs."""

    @property
    def is_direct(self) -> bool:
        """Whether bytes come and go by signed URLs, past the service."""

    @property
    def incoming(self) -> Path | None:
        """Where whoever runs the service may leave files that it is to take; None: nowhere."""

    def upload(self, owner: str, sha256: str) -> Kept:
        """The place of an upload of `owner`'s."""

    def output(self, job_id: str, attempt: int, name: str) -> Kept:
        """The place of an output."""

    def keep_upload(
        self, owner: str, announced: str | None, chunks: AsyncIterator[bytes], limit_bytes: int
    ) -> AbstractAsyncContextManager[tuple[str, int]]:
        """Keeps an upload that comes through the service, under the hash of its bytes.

        Nobody removes uploads within the context: there it is recorded.

        Args:
            announced: their SHA-256, None if nobody told.

        Returns:
            Their SHA-256 and their number.

        Raises:
            RequestError: it is larger than `limit_bytes` (`too_large`), or its bytes have another
                hash (`hash_mismatch`).
            StorageFullError: there is no room; nothing was kept.
        """

    def keep_file(
        self, owner: str, announced: str, source: Path, limit_bytes: int
    ) -> AbstractAsyncContextManager[tuple[str, int]]:
        """The same of a file of this machine; what was left in `incoming` is gone from there.

        Raises:
            RequestError: as for `keep_upload`; or it cannot be taken so (`not_taken`).
            StorageFullError: there is no room; nothing was kept.
        """

    def sign_upload(
        self, kept: Kept, sha256: str, size_bytes: int, upload_id: str = "", first_part: int = 1
    ) -> SignedUpload:
        """How to send a file to its place; only where the storage `is_direct`.

        Args:
            upload_id: of one that was begun before, of which more parts are to be sent.
        """

    def finish_upload(
        self, kept: Kept, sha256: str, size_bytes: int, upload_id: str, parts: Sequence[str]
    ) -> None:
        """Makes what was sent a file, and looks whether it is what was announced.

        Args:
            parts: the ETags of an upload's parts, in order.

        Raises:
            RequestError: it is not (`not_arrived`).
        """

    def launch_input(self, kept: Kept, url: str) -> dict[str, Any]:
        """How a runner gets a file, as its launch says.

        Args:
            url: what the job's description calls it.
        """

    def launch_stage_out(self, job_id: str, attempt: int) -> dict[str, Any]:
        """What a runner does with its outputs, as its launch says."""

    def checked(self, record: ExitRecord, held: Path | None = None) -> ExitRecord:
        """An exit record of whose outputs those that are not in the storage are not available.

        Args:
            held: the directory of an attempt that is an account's, in which its runner left them if
                it could not put them here: they are taken over.

        Raises:
            StorageFullError: they cannot be taken over now.
            StorageAwayError: it cannot be known now.
        """

    def stored(self) -> Iterator[Stored]:
        """All that lies there: uploads, and outputs as they can be removed."""

    def remove(self, stored: Stored) -> None:
        """Removes something of that."""

    def forget_outputs(self, job_id: str, attempt: int) -> None:
        """Removes all outputs of an attempt."""

    def forget_upload(
        self, owner: str, sha256: str, before: float, is_wanted: Callable[[], bool]
    ) -> None:
        """Removes an upload, unless it was put there after a moment.

        Args:
            is_wanted: whether somebody has it still; asked while nobody can put it there anew.
        """

    def close(self) -> None:
        """Lets go of what it holds."""

    def problem(self) -> str:
        """What keeps it from being used now, in words; "" if nothing does."""
