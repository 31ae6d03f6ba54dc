"""Writes jobs' output files to stdout: what `cat` and `fetch -o -` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
