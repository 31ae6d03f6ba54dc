"""Tells the service how an attempt goes; never stands in the way of what it tells of."""

from __future__ import annotations

import contextlib
import json
import os
import time

from kotta_runner import TYPE_CHECKING
from kotta_runner.frames import send

if TYPE_CHECKING:
    import http.client
    from typing import Any, Callable, Dict, Optional

COALESCE_SECONDS = 0.05
_TIMEOUT_SECONDS = 10
_LAST_REPORT_SECONDS = 60
_PATH = "/api/v2/runner/reports"


class Launcher:
    """The parent process that speaks with the service on a runner's behalf, while it lives.

    Attributes:
        pid: its process id.
        notes: a pipe to it that all runners share, for messages of at most PIPE_BUF bytes: so much
            is never mixed with what others write. Source: pipe(7).
    """

    def __init__(self, pid: int, notes: int) -> None:
        self.pid = pid
        self.notes = notes

    def lives(self) -> bool:
        """Whether it is there still: without it this process has another parent."""
        return os.getppid() == self.pid

    def tell(self, note: Dict[str, Any]) -> bool:
        """Hands it a note; False if it is gone, which may be so a moment before `lives` sees it."""
        if self.lives():
            with contextlib.suppress(OSError):
                send(self.notes, note)
                return True
        return False


class Reporter:
    """Reports of one attempt: through the launcher while there is one, else to the service itself.

    The service may be slow, away, or of another opinion; nothing here waits for it but `tell_end`.
    """

    def __init__(
        self, launch: Dict[str, Any], launcher: Optional[Launcher], on_cancel: Callable[[], None]
    ) -> None:
        self._launcher = launcher
        self._service: Optional[Dict[str, str]] = launch.get("service")
        self._key = {"job_id": launch["job_id"], "attempt": launch["attempt"]}
        self._on_cancel = on_cancel
        self._is_wanted = self._service is not None
        self._seconds = launch.get("report_seconds", _LAST_REPORT_SECONDS)

    def tell(self, phase: str, timeline: Dict[str, float]) -> None:
        """Reports a phase."""
        message = {**self._key, "phase": phase, "timeline": dict(timeline)}
        if self._launcher is not None and self._launcher.tell({"phase": message}):
            return
        if self._is_wanted:
            # in a thread of its own: the answer may be long in coming
            body = json.dumps({**message, "record": None}).encode()
            import threading

            threading.Thread(target=self._post, args=(body,), daemon=True).start()

    def tell_end(self, record: Dict[str, Any]) -> bool:
        """Reports the end, unless a launcher does; again and again, for a minute if not told else.

        Returns:
            Whether the service has it, as far as can be known here.
        """
        if self._launcher is not None and self._launcher.lives():
            return True
        if not self._is_wanted:
            return False
        message = {**self._key, "phase": "ended", "timeline": record["timeline"], "record": record}
        body = json.dumps(message).encode()
        deadline = time.monotonic() + self._seconds
        pause = 0.05
        while True:
            status = self._post(body)
            if status is not None and status < 500:
                return status == 200
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 5)

    def _post(self, body: bytes) -> Optional[int]:
        """The status of the answer; None if there was none."""
        # imported here: few runners need it, and all others would carry its megabytes
        import http.client

        assert self._service is not None
        headers = {
            "Authorization": "Bearer " + self._service["token"],
            "Content-Type": "application/json",
        }
        connection = None
        try:
            connection = connection_to(self._service["address"])
            connection.request("POST", _PATH, body, headers)
            answer = connection.getresponse()
            text = answer.read(65536)
            if answer.status in (404, 409):
                self._is_wanted = False
            if answer.status == 200 and json.loads(text).get("cancel") is True:
                self._on_cancel()
            return answer.status
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            if connection is not None:
                connection.close()


def connection_to(address: str) -> http.client.HTTPConnection:
    """A connection to the service at `unix:` and a path, or a URL."""
    import http.client
    import socket
    from urllib.parse import urlsplit

    if address.startswith("unix:"):
        unix = http.client.HTTPConnection("kotta")
        unix.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.sock.settimeout(_TIMEOUT_SECONDS)
        unix.sock.connect(address[len("unix:") :])
        return unix
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
