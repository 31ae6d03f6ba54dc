"""Asks the service for signed URLs, on an attempt's behalf; S3 itself is asked in `signed`."""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Dict, Optional

from kotta_runner.report import connection_to
from kotta_runner.staging import StagingError

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 15.0
LOOK_SECONDS = 0.5
CANCELLED_PATIENCE_SECONDS = 60.0
"""How long it is tried to keep what a cancelled job has made."""
GIVE_UP_SECONDS = 4 * 3600.0
NOT_ARRIVED = "not_arrived"
"""What the service says of a file that is not in the storage as it was announced."""
_MAX_ANSWER_BYTES = 64 << 20


class AwayError(Exception):
    """Something could not be done now, and may be possible later; says what.

    Attributes:
        code: what the service calls it, "" if it says nothing.
    """

    def __init__(self, words: str, code: str = "") -> None:
        super().__init__(words)
        self.code = code


class Patience:
    """For how long something is tried again: until so long has passed without any of it succeeding.

    Args:
        cancel_asked: whether nobody waits for the job any more.
    """

    def __init__(self, give_up_seconds: Optional[float], cancel_asked: Callable[[], bool]) -> None:
        self._seconds = give_up_seconds or GIVE_UP_SECONDS
        self._cancel_asked = cancel_asked
        self._since = time.monotonic()
        self._pause = FIRST_PAUSE_SECONDS

    def succeeded(self) -> None:
        """Something has come through: all may begin anew."""
        self._since = time.monotonic()
        self._pause = FIRST_PAUSE_SECONDS

    def wait(self, words: str) -> None:
        """Waits for a while, longer each time.

        Raises:
            StagingError: it has been tried for long enough; with these words.
        """
        until = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        while True:
            now = time.monotonic()
            seconds = self._seconds
            if self._cancel_asked():
                seconds = min(seconds, CANCELLED_PATIENCE_SECONDS)
            if now - self._since > seconds:
                raise StagingError("%s (tried for %.0f s)" % (words, now - self._since))
            if now >= until:
                return
            time.sleep(min(LOOK_SECONDS, until - now))


class Service:
    """The service that an attempt belongs to."""

    def __init__(self, launch: Dict[str, Any]) -> None:
        self._service: Optional[Dict[str, str]] = launch.get("service")
        self._key = {"job_id": launch["job_id"], "attempt": launch["attempt"]}

    def ask(self, path: str, **more: Any) -> Dict[str, Any]:
        """What it answers to a question about this attempt; {} if nothing.

        Raises:
            AwayError: it gives no answer now.
            StagingError: it refuses, and will again.
        """
        import http.client

        if self._service is None:
            raise StagingError("there is no service to ask for signed URLs")
        headers = {
            "Authorization": "Bearer " + self._service["token"],
            "Content-Type": "application/json",
        }
        connection = None
        try:
            connection = connection_to(self._service["address"])
            body = json.dumps({**self._key, **more}).encode()
            connection.request("POST", "/api/v2/runner/" + path, body, headers)
            answer = connection.getresponse()
            content = answer.read(_MAX_ANSWER_BYTES)
            if answer.status == 204:
                return {}
            found = json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = str(error) or type(error).__name__
            raise AwayError("the service does not answer: %s" % words) from error
        finally:
            if connection is not None:
                connection.close()
        if answer.status == 200 and isinstance(found, dict):
            return found
        told = found if isinstance(found, dict) else {}
        words = str(told.get("detail") or "the service answers %d" % answer.status)
        code = str(told.get("code", ""))
        # it may be starting, or its storage be away or full; what it does not know, it never will
        if answer.status >= 500 or answer.status == 429 or code == NOT_ARRIVED:
            raise AwayError(words, code)
        raise StagingError(words)
