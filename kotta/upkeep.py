"""What an administrator does about all that a service keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kotta.connection import Connection
from kotta.models.upkeep import CheckReport, Lifecycle, PruneReport

LONG_SECONDS = 24 * 3600.0
"""For so long the service may be at something that reads or removes all it has."""


class Upkeep:
    """The upkeep of one service; for administrators."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def check(self, *, contents: bool = False) -> CheckReport:
        """Holds all that the service keeps to what it promises; changes nothing.

        Args:
            contents: read every file and compare it with its SHA-256; else sizes count.

        Raises:
            ForbiddenError: the caller is no administrator.
            ConflictError: something is being removed now.
        """
        answer = self._connection.send_json(
            "POST", "/admin/check", {"contents": contents}, wait_seconds=LONG_SECONDS
        )
        return answer.parsed(CheckReport)

    @contextmanager
    def backup(self) -> Iterator[Iterator[bytes]]:
        """All that the service must not lose, as a tar archive; it comes as it is made.

        Raises:
            ConflictError: its jobs are in PostgreSQL, or something is being removed now.
            ConnectionFailedError: it did not come to its end; what came is worth nothing.
        """
        with self._connection.stream("/admin/backup") as (_, chunks):
            yield chunks

    def prune(
        self,
        *,
        older_than_seconds: float | None = None,
        storage_mib: int | None = None,
        dry_run: bool = False,
    ) -> PruneReport:
        """Forgets jobs that ended long ago, with their outputs, and uploads that nobody needs.

        Args:
            older_than_seconds: what ended, or came, so long ago.
            storage_mib: what is kept may hold so much; of more, the oldest go.
            dry_run: forget nothing, tell what would be.

        Raises:
            RequestError: neither is given, and the service's settings say nothing either.
            ConflictError: the service is being checked or backed up.
        """
        body = {
            "older_than_seconds": older_than_seconds,
            "storage_mib": storage_mib,
            "dry_run": dry_run,
        }
        answer = self._connection.send_json("POST", "/admin/prune", body, wait_seconds=LONG_SECONDS)
        return answer.parsed(PruneReport)

    def lifecycle(
        self,
        *,
        infrequent_after_days: int = 30,
        archive_after_days: int = 180,
        archive_class: str = "GLACIER",
        abort_after_days: int = 7,
        apply: bool = False,
    ) -> Lifecycle:
        """What the service's bucket is to do with what grows old; see `Lifecycle`.

        Args:
            infrequent_after_days: outputs go to infrequent access so long after; 0: never.
            archive_after_days: the same to an archive.
            archive_class: `GLACIER`, `GLACIER_IR` or `DEEP_ARCHIVE`.
            abort_after_days: uploads in parts that were not finished are removed so long after.
            apply: give the bucket these rules; those that it has of others stay.

        Raises:
            ConflictError: the service keeps files on its own disk, or S3 does not take the rules.
            RequestError: S3 would not take them.
        """
        body = {
            "infrequent_after_days": infrequent_after_days,
            "archive_after_days": archive_after_days,
            "archive_class": archive_class,
            "abort_after_days": abort_after_days,
            "apply": apply,
        }
        answer = self._connection.send_json("POST", "/admin/lifecycle", body, repeatable=True)
        return answer.parsed(Lifecycle)
