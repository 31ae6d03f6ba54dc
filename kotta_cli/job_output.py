"""Brings a job's stdout and stderr to ours."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kotta_cli.render.plain_text import LogText

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta_cli.context import App
    from kotta_cli.terminal import Terminal


def print_streams(app: App, job: Job, streams: Sequence[str]) -> int:
    """Write what there is, one stream after the other; the result is how many bytes there were."""
    return sum(_copy(app, job, stream, follow=False) for stream in streams)


def follow_streams(app: App, job: Job, streams: Sequence[str]) -> None:
    """Write the streams as they grow, side by side, until the job has ended."""
    first, *others = streams
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=_keep_failure, args=(failures, app, job, stream), daemon=True)
        for stream in others
    ]
    for thread in threads:
        thread.start()
    _copy(app, job, first, follow=True)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _keep_failure(failures: list[BaseException], app: App, job: Job, stream: str) -> None:
    # An error in a thread would be printed as a traceback; the main thread raises it instead.
    try:
        _copy(app, job, stream, follow=True)
    except BaseException as error:
        failures.append(error)


def _copy(app: App, job: Job, stream: str, *, follow: bool) -> int:
    target: Terminal = app.out if stream == "stdout" else app.err
    shown = LogText() if target.is_tty else None
    count = 0
    for chunk in app.client.logs(job, stream, follow=follow):
        count += len(chunk)
        if shown is None:
            target.write_bytes(chunk)
        else:
            target.write(shown.feed(chunk))
    if shown is not None:
        target.write(shown.end())
    return count
