"""Starts a program as a job's: in a session of its own, on the streams of its attempt."""

from __future__ import annotations

import os
import signal

from kotta_runner import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Dict, List


def spawn(command: List[str], environment: Dict[str, str], stdout: str, stderr: str) -> int:
    """Starts a program in the current folder; its process id.

    Args:
        stdout, stderr: files, which are appended to; they are there.
    """
    appending = os.O_WRONLY | os.O_APPEND
    return os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, stdout, appending, 0),
            (os.POSIX_SPAWN_OPEN, 2, stderr, appending, 0),
        ],
        setsid=True,
        # Python ignores these, and what is ignored stays so across exec
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )
