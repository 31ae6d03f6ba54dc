"""The process that makes calls: a fork of a runner, or an environment's Python (`main`)."""

from __future__ import annotations

import base64
import contextvars
import gc
import json
import os
import sys
from typing import Any, Dict, NoReturn, Optional, Tuple

from kotta_runner import call, traces
from kotta_runner.frames import Inbox, send
from kotta_runner.process_tree import end_with_parent
from kotta_runner.signals import plain_signals


def main() -> NoReturn:
    """`python … RUNNER SOCKET`: the runner's process id, and the descriptor that it asks by."""
    runner, messages = (int(word) for word in sys.argv[1:])
    os.set_inheritable(messages, False)
    serve(runner, messages)


def serve(runner: int, messages: int) -> NoReturn:
    """Makes calls until the runner is gone, or one has left something behind."""
    # it could not be recognised by what it was started with, if we were lost
    end_with_parent(runner)
    _Serving(messages).to_its_end()


class _Serving:
    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._process = os.getpid()
        self._null = os.open(os.devnull, os.O_RDWR)

    def to_its_end(self) -> NoReturn:
        code = 1
        try:
            plain_signals()
            os.dup2(self._null, 0)
            call.become_caller()
            code = self._make_calls()
        finally:
            os._exit(code)

    def _make_calls(self) -> int:
        """The exit code of the last, if that is to be the process's own."""
        clean = None
        inbox = Inbox(self._messages)
        while not inbox.ended:
            for message in inbox.receive():
                wanted = _whole(message)
                # the first only now: its runner has set limits before it asked
                clean = clean or traces.Clean()
                clean.begin()
                result, is_told = self._make(wanted)
                code = call.exit_code(result)
                if os.getpid() != self._process:
                    return code  # a fork that the call made, and did not end: it has no say here
                after = _after(clean, wanted) if is_told else None
                if after is None:
                    call.leave(result, wanted["result"])
                    return code
                self._let_go()
                send(
                    self._messages, {"tag": wanted["tag"], "code": code, "result": result, **after}
                )
                if after["imported"]:
                    gc.freeze()  # it stays, and need not be looked at again
        return 1

    def _make(self, wanted: Dict[str, Any]) -> "Tuple[Dict[str, Any], bool]":
        """Makes a call as a newly started process would.

        Returns:
            What became of it, and whether all that it printed has been written.
        """
        for name, number in (("stdout", 1), ("stderr", 2)):
            stream = os.open(wanted[name], os.O_WRONLY | os.O_APPEND)
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(wanted["work"])
        os.umask(0o022)
        call.begin(wanted["environment"])
        if wanted["python"] != "%d.%d" % sys.version_info[:2]:
            result = call.version_error(wanted["python"])
        else:
            # what the call sets of its context, as decimal's, is gone with it
            context = contextvars.copy_context()
            result = context.run(call.call, _payload(wanted), wanted["result"])
        is_told = call.finish()
        gc.collect()
        return result, is_told

    def _let_go(self) -> None:
        """Leaves the folder and the streams of the call to its runner."""
        os.chdir("/")
        os.dup2(self._null, 1)
        os.dup2(self._null, 2)


def _whole(message: Dict[str, Any]) -> Dict[str, Any]:
    """What is wanted, also where it is too large for a message."""
    if "file" not in message:
        return message
    with open(message["file"], "rb") as file:
        wanted: Dict[str, Any] = json.load(file)
        return wanted


def _after(clean: traces.Clean, wanted: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    try:
        return clean.after(wanted["work"], wanted["most_memory_bytes"])
    except Exception:
        return None  # what the call left there is looked at, and may do as it likes


def _payload(wanted: Dict[str, Any]) -> bytes:
    if wanted["payload"]:
        return base64.b64decode(wanted["payload"])
    with open(wanted["payload_path"], "rb") as file:
        return file.read()
