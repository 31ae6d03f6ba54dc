"""`python -m kotta_runner.launcher`: forks a runner for each launch it reads, ready to run.

Everything a runner needs is imported here once, before any fork. One thread, nothing to wait for
but its standard input and the end of its children.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import struct
import sys
import traceback
from typing import Any, Dict, Iterator, Tuple

from kotta_runner.report import Launcher
from kotta_runner.run import run_attempt

_CHUNK_BYTES = 1 << 20


def main() -> int:
    gc.disable()
    gc.freeze()  # so that a runner's collector does not touch, and copy, the launcher's pages
    wake_reader, wake_writer = os.pipe()
    for descriptor in (wake_reader, wake_writer):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for whoever is in front
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    _Launcher(sys.stdin.fileno(), sys.stdout.fileno(), wake_reader, wake_writer).serve()
    return 0


class _Launcher:
    def __init__(self, commands: int, answers: int, wake_reader: int, wake_writer: int) -> None:
        self._commands = commands
        self._answers = answers
        self._wake_reader = wake_reader
        self._wake_writer = wake_writer
        self._notes_reader, self._notes_writer = os.pipe()
        self._runners: Dict[int, Tuple[str, int]] = {}

    def serve(self) -> None:
        """Until the end of input; runners run on."""
        poller = select.poll()
        poller.register(self._commands, select.POLLIN)
        poller.register(self._wake_reader, select.POLLIN)
        poller.register(self._notes_reader, select.POLLIN)
        buffer = b""
        while True:
            ready = dict(poller.poll())
            if self._notes_reader in ready:
                # what runners say is framed as our own answers are: it only has to be passed on
                self._send(os.read(self._notes_reader, _CHUNK_BYTES))
            if self._wake_reader in ready:
                os.read(self._wake_reader, 4096)
                self._reap()
            if self._commands in ready:
                chunk = os.read(self._commands, _CHUNK_BYTES)
                if not chunk:
                    return
                buffer += chunk
                while len(buffer) >= 4:
                    size = struct.unpack(">I", buffer[:4])[0]
                    if len(buffer) < 4 + size:
                        break
                    message, buffer = buffer[4 : 4 + size], buffer[4 + size :]
                    self._launch(json.loads(message)["launch"])

    def _launch(self, launch: Dict[str, Any]) -> None:
        key = {"job_id": launch["job_id"], "attempt": launch["attempt"]}
        try:
            runner = os.fork()
        except OSError as error:
            self._say({"failed": {**key, "error": str(error)}})
            return
        if runner == 0:
            self._become_runner(launch)
        self._runners[runner] = (launch["job_id"], launch["attempt"])
        self._say({"started": {**key, "pid": runner}})

    def _become_runner(self, launch: Dict[str, Any]) -> None:
        """In the fork; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            os.umask(0o077)
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0)
            os.dup2(null, 1)
            for descriptor in (null, self._wake_reader, self._wake_writer, self._notes_reader):
                os.close(descriptor)
            run_attempt(launch, Launcher(os.getppid(), self._notes_writer))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _reap(self) -> None:
        for runner, status in _ended_children():
            job_id, attempt = self._runners.pop(runner)
            self._say(
                {"exited": {"job_id": job_id, "attempt": attempt, "pid": runner, "status": status}}
            )

    def _say(self, message: Dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        self._send(struct.pack(">I", len(text)) + text)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._answers, data) :]


def _ended_children() -> Iterator[Tuple[int, int]]:
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if child == 0:
            return
        yield child, status


if __name__ == "__main__":
    sys.exit(main())
