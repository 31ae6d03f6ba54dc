"""Notices that whoever read our output has gone, while there is nothing to write."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

from kotta_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from kotta_cli.terminal import Terminal


def leave_with_reader(output: Terminal) -> None:
    """From now on end this process once nobody reads `output`, as the next write would.

    For commands that may wait for hours with nothing to write. At once and without a word, as
    SIGPIPE does it; so nothing may be drawn or half written from here on.
    """
    if output.is_tty or not hasattr(select, "poll"):
        return
    try:
        descriptor = output.stream.fileno()
    except (OSError, ValueError):
        return  # it is no stream of the system's
    watching = threading.Thread(
        target=_leave_after, args=(descriptor,), name="kotta-reader", daemon=True
    )
    watching.start()


def _leave_after(descriptor: int) -> None:
    poll = select.poll()
    # of errors and hangups one is always told; a file or a pipe that is read has neither
    poll.register(descriptor, 0)
    poll.poll()
    os._exit(ExitCode.OUTPUT_CLOSED)
