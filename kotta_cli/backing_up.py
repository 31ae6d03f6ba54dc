"""Writes a backup to a file, which gets its name once all of it is there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kotta.errors import ConflictError, RequestError

if TYPE_CHECKING:
    from kotta_cli.context import App


def back_up(app: App, file: Path, *, force: bool) -> int:
    """Has the service make a backup; its size in bytes.

    Raises:
        ConflictError: the file is there, and is not to be replaced.
        RequestError: it cannot be written.
    """
    if file.exists() and not force:
        raise ConflictError(f"{file} is there already", hint="--force replaces it")
    aside = file.with_name(f".{file.name}.part")
    try:
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as target, app.client.upkeep.backup() as chunks:
            for chunk in chunks:
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        aside.replace(file)
    except OSError as error:
        raise RequestError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
    return file.stat().st_size
