"""Writes jobs' output files to stdout: what `cat` and `fetch -o -` have in common."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from kotta_cli.render.plain_text import LogText

if TYPE_CHECKING:
    from kotta.models import JobDetail, Output
    from kotta_cli.context import App


def print_file(app: App, job: JobDetail, output: Output) -> None:
    """Write a file's bytes as they are; on a terminal, without control sequences but colours.

    Raises:
        TransferError: after the last byte, if they were not those that the service keeps.
    """
    from kotta.streaming import read

    shown = LogText() if app.out.is_tty else None
    for chunk in read(app.client.api, job.id, output):
        if shown is None:
            app.out.write_bytes(chunk)
        else:
            app.out.write(shown.feed(chunk))
    if shown is not None:
        app.out.write(shown.end())


def contents(app: App, job: JobDetail, output: Output) -> dict[str, Any]:
    """A file as an object: what it is, and what is in it.

    Raises:
        TransferError: what came is not what the service keeps.
    """
    from kotta.streaming import read

    found = b"".join(read(app.client.api, job.id, output))
    try:
        text, encoded = found.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, b64encode(found).decode()
    return {
        "job": job.id,
        "name": output.name,
        "size_bytes": len(found),
        "sha256": output.sha256,
        "text": text,
        "base64": encoded,
    }
