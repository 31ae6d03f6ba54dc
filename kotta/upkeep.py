"""What an administrator does about all that a service keeps."""

from __future__ import annotations

from kotta.connection import Connection
from kotta.models.upkeep import CheckReport

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
