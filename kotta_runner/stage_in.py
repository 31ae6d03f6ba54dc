"""Brings inputs into the working directory, and writes the script there."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from typing import Any, Callable, Dict, Optional

from kotta_runner.attempt import Attempt

TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20


class StagingError(Exception):
    """An input could not be brought, or an output could not be kept; says which, and why."""


def stage_in(attempt: Attempt, launch: Dict[str, Any]) -> None:
    """Puts every input into the working directory.

    Raises:
        StagingError: the first input that cannot be had.
    """
    for wanted in launch.get("inputs", ()):
        target = os.path.join(attempt.work, _checked(wanted["name"]))
        try:
            if "path" in wanted:
                _copy(wanted, target)
            else:
                _download(wanted, target)
        except OSError as error:
            raise StagingError(
                "input %s: %s" % (_shown(wanted), error.strerror or error)
            ) from error


def write_script(attempt: Attempt, script: Optional[Dict[str, str]]) -> None:
    """Writes the script, if there is one, executable and with CRLF made LF."""
    if script:
        target = os.path.join(attempt.work, _checked(script["name"]))
        try:
            with open(target, "wb", opener=_executable) as file:
                file.write(script["text"].replace("\r\n", "\n").encode())
        except OSError as error:
            raise StagingError("script %s: %s" % (script["name"], error.strerror)) from error


def _checked(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise StagingError("%r cannot be a file's name" % name)
    return name


def _shown(wanted: Dict[str, Any]) -> str:
    return str(wanted.get("url") or wanted["name"])


def _copy(wanted: Dict[str, Any], target: str) -> None:
    with open(wanted["path"], "rb") as source:
        _receive(source.read, wanted, target, announced=None)


def _download(wanted: Dict[str, Any], target: str) -> None:
    url = wanted["url"]
    if not url.lower().startswith(("http://", "https://")):
        raise StagingError("input %s: only http:// and https:// can be downloaded" % url)
    request = urllib.request.Request(url, headers={"User-Agent": "kotta-runner"})
    try:
        with _opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
            length = answer.headers.get("Content-Length")
            announced = int(length) if length and length.isdigit() else None
            _receive(answer.read, wanted, target, announced)
    except urllib.error.HTTPError as error:
        error.close()
        raise StagingError("input %s: HTTP %d %s" % (url, error.code, error.reason)) from error
    except urllib.error.URLError as error:
        raise StagingError("input %s: %s" % (url, _words(error.reason))) from error
    except http.client.IncompleteRead as error:
        raise StagingError("input %s: the download was cut short" % url) from error
    except (http.client.HTTPException, ValueError) as error:
        raise StagingError("input %s: %s" % (url, error or type(error).__name__)) from error


def _opener() -> urllib.request.OpenerDirector:
    class SameKinds(urllib.request.HTTPRedirectHandler):
        """Follows redirects between http and https only (the default would follow ftp)."""

        max_redirections = 10

        def redirect_request(
            self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Optional[urllib.request.Request]:
            if not newurl.lower().startswith(("http://", "https://")):
                raise StagingError("input %s: redirects to %s" % (req.full_url, newurl[:200]))
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return urllib.request.build_opener(SameKinds)


def _words(reason: Any) -> str:
    return str(getattr(reason, "strerror", None) or reason)


def _receive(
    read: Callable[[int], bytes],
    wanted: Dict[str, Any],
    target: str,
    announced: Optional[int],
) -> None:
    digest, size = hashlib.sha256(), 0
    with open(target, "xb") as file:
        while chunk := read(_CHUNK_BYTES):
            if wanted.get("sha256"):
                digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
    if announced is not None and size != announced:
        raise StagingError("input %s: %d bytes of %d arrived" % (_shown(wanted), size, announced))
    if wanted.get("sha256") and digest.hexdigest() != wanted["sha256"]:
        raise StagingError("input %s: its bytes are not those that were uploaded" % _shown(wanted))


def _executable(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o755)
