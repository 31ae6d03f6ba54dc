"""What a worker of a pilot calls: runs attempts, one after another, through a launcher of its own.

A pilot, such as Parsl's HighThroughputExecutor, holds nodes, and has workers there that are handed
calls. A worker that imports this module keeps a launcher, of which each runner is a fork: so an
attempt starts in milliseconds. A worker itself may have threads, and is no good parent for forks.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from typing import Any, Dict, Optional

from kotta_runner.frames import Inbox, send

_LOOK_SECONDS = 1.0
"""How often to see whether what holds the node is there still."""
_current: Optional[_Block] = None


def run(text: bytes) -> str:
    """Runs the attempt of a launch, given as JSON, to its end.

    Returns:
        The exit record as it was written; "" if there is none, as another runner has the attempt,
        or it was cancelled before, or its runner was killed.

    Raises:
        RuntimeError: it could not be begun; or the pilot is gone, and its runner ends.
    """
    global _current
    launch = json.loads(text)
    if _current is None or _current.process.poll() is not None:
        _current = _Block()
    _current.run(launch)
    with contextlib.suppress(OSError):
        with open(os.path.join(launch["directory"], "exit.json"), encoding="utf-8") as file:
            return file.read()
    return ""


class _Block:
    def __init__(self) -> None:
        self._pilot = os.getppid()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kotta_runner.launcher", "--block"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._launches = self.process.stdin.fileno()
        self._inbox = Inbox(self.process.stdout.fileno())

    def run(self, launch: Dict[str, Any]) -> None:
        """Returns when the runner has left the attempt."""
        key = {"job_id": launch["job_id"], "attempt": launch["attempt"]}
        try:
            send(self._launches, {"launch": launch})
        except OSError as error:
            raise RuntimeError("its launcher is gone: %s" % error) from error
        while not self._inbox.ended:
            if not select.select([self._inbox.descriptor], [], [], _LOOK_SECONDS)[0]:
                self._leave_without_pilot()
                continue
            for message in self._inbox.receive():
                if message.get("ended") == key:
                    return
                failed = message.get("failed")
                if failed:
                    raise RuntimeError("its runner could not be started: %s" % failed["error"])
        raise RuntimeError("its launcher was ended")

    def _leave_without_pilot(self) -> None:
        """Ends the launcher, and so its runners, if what started this worker is gone."""
        if os.getppid() != self._pilot:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait()
            raise RuntimeError("what held the node is gone")
