"""Prints the service's log file, and what is added to it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kotta.errors import NotFoundError
from kotta_cli.render.as_json import print_json_line
from kotta_cli.render.log_sinks import LineSink, sink

if TYPE_CHECKING:
    from kotta_cli.context import App

_LAST_BYTES = 256 << 10
_LOOK_AGAIN_SECONDS = 0.25
_CHUNK_BYTES = 64 << 10


def print_log(app: App, path: Path, *, follow: bool) -> None:
    """Write the last part of the file to stdout; with `follow`, go on until Ctrl-C.

    Raises:
        NotFoundError: the service has never written one.
    """
    shown = _JsonSink(app) if app.as_json else sink(app.out, None)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no log at {path}: the local service has never run here"
        ) from None
    with file:
        _skip_to_last_part(file.fileno())
        while True:
            chunk = os.read(file.fileno(), _CHUNK_BYTES)
            if chunk:
                shown.write(chunk)
            elif not follow:
                break
            else:
                # The service may be gone, so there is nobody to wait at: a file has no change feed.
                time.sleep(_LOOK_AGAIN_SECONDS)
    shown.end()


class _JsonSink(LineSink):
    """An object for each line."""

    def __init__(self, app: App) -> None:
        super().__init__(app.out)
        self._app = app

    def _put(self, lines: list[bytes]) -> None:
        for line in lines:
            print_json_line(self._app, {"text": line.decode(errors="replace")})


def _skip_to_last_part(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if size <= _LAST_BYTES:
        return
    os.lseek(descriptor, size - _LAST_BYTES, os.SEEK_SET)
    # Begin with a whole line.
    part = os.read(descriptor, _CHUNK_BYTES)
    begin = part.find(b"\n") + 1
    os.lseek(descriptor, size - _LAST_BYTES + begin, os.SEEK_SET)
