"""Tells the service how an attempt goes; never stands in the way of what it tells of."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import Any, Callable, Dict, Optional
from urllib.parse import urlsplit

COALESCE_SECONDS = 0.05
_TIMEOUT_SECONDS = 10
_LAST_REPORT_SECONDS = 60
_PATH = "/api/v2/runner/reports"


class Reporter:
    """Reports of one attempt, to a service that may be slow, away, or of another opinion."""

    def __init__(self, launch: Dict[str, Any], on_cancel: Callable[[], None]) -> None:
        self._service: Optional[Dict[str, str]] = launch.get("service")
        self._key = {"job_id": launch["job_id"], "attempt": launch["attempt"]}
        self._on_cancel = on_cancel

    def tell(self, phase: str, timeline: Dict[str, float]) -> None:
        """Reports a phase from a thread of its own: the answer may be long in coming."""
        if self._service is not None:
            message = {**self._key, "phase": phase, "timeline": dict(timeline)}
            threading.Thread(target=self._tell_once, args=(message,), daemon=True).start()

    def tell_end(self, record: Dict[str, Any]) -> bool:
        """Reports the end, again and again for a minute; True once the service has it."""
        if self._service is None:
            return False
        message = {**self._key, "phase": "ended", "timeline": record["timeline"], "record": record}
        body = json.dumps(message).encode()
        deadline = time.monotonic() + _LAST_REPORT_SECONDS
        pause = 0.05
        while True:
            status = self._post(body)
            if status is not None and status < 500:
                return status == 200
            if time.monotonic() + pause > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 5)

    def _tell_once(self, message: Dict[str, Any]) -> None:
        self._post(json.dumps(message).encode())

    def _post(self, body: bytes) -> Optional[int]:
        """The status of the answer; None if there was none."""
        assert self._service is not None
        connection = _connection(self._service["address"])
        headers = {
            "Authorization": "Bearer " + self._service["token"],
            "Content-Type": "application/json",
        }
        try:
            connection.request("POST", _PATH, body, headers)
            answer = connection.getresponse()
            text = answer.read(65536)
            if answer.status == 200 and json.loads(text).get("cancel") is True:
                self._on_cancel()
            return answer.status
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("kotta", timeout=_TIMEOUT_SECONDS)
        self._socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_SECONDS)
        self.sock.connect(self._socket_path)


def _connection(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _UnixConnection(address[len("unix:") :])
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
