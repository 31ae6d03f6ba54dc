"""Brings inputs into the working directory, and writes the script there."""

from __future__ import annotations

import hashlib
import os
from functools import partial
from typing import Any, Callable, Dict, Optional

from kotta_runner.attempt import Attempt
from kotta_runner.staging import StagingError

_CHUNK_BYTES = 1 << 20


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
                from kotta_runner.download import download

                download(wanted["url"], partial(_receive, wanted, target))
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
                # what the umask took: programs compare a script's mode with what they expect
                os.fchmod(file.fileno(), 0o755)
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
        _receive(wanted, target, source.read, None)


def _receive(
    wanted: Dict[str, Any],
    target: str,
    read: Callable[[int], bytes],
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
