"""A process that makes one function's calls, one after another, for one runner.

Forking it costs as much as all else of a short call, and what a call imports it need not import
again. It makes another call only if the last has left nothing behind that could be told
(`traces.py`), and only for whom and what it made that one.
"""

from __future__ import annotations

import base64
import contextlib
import contextvars
import gc
import os
import select
import signal
import socket
import sys
from typing import Any, Dict, NoReturn, Optional, Tuple

from kotta_runner.attempt import Attempt
from kotta_runner.frames import Inbox, send
from kotta_runner.limits import limit
from kotta_runner.process_tree import end_with_parent
from kotta_runner.signals import plain_signals

MAX_MESSAGE_PAYLOAD = 64 << 10
"""A payload of more base64 than this goes as a file: what a process that was stopped does not read
must fit into the socket, or its runner would wait for it."""
OWN_VARIABLES = ("KOTTA_JOB_ID", "TURING_JOB_ID", "KOTTA_ATTEMPT", "KOTTA_TAG")
"""What each job has of its own in an environment."""


class Caller:
    """The process, as its runner sees it.

    Attributes:
        pid: its process id, until it is ended.
        cpu_seconds: what it has used in all, as far as it has told.
        peak_memory_bytes: the most memory that the latest call had resident.
        result: what became of the latest call, as `call.py` has it.
    """

    def __init__(self, attempt: Attempt) -> None:
        from kotta_runner import call, traces  # so that each fork has them

        runner = os.getpid()
        self.cpu_seconds = 0.0
        self.peak_memory_bytes = 0
        self.result: Dict[str, Any] = {}
        self._imported: Dict[str, int] = {}
        self._ours, theirs = socket.socketpair()
        self._inbox = Inbox(self._ours.fileno())
        self._poller = select.poll()
        self._poller.register(self._ours.fileno(), select.POLLIN)
        self.pid = os.fork()
        if self.pid == 0:
            # it could not be recognised by its environment, which is the launcher's, if we were
            # lost
            end_with_parent(runner)
            self._ours.close()
            attempt.forget()  # else what a call leaves behind would seem to be a runner at work
            _Serving(call, traces, theirs).to_its_end()
        theirs.close()

    @property
    def descriptor(self) -> int:
        """Readable once the call has ended."""
        return self._ours.fileno()

    def has_hung_up(self) -> bool:
        """Whether no answer will come: it has ended, or the call has closed our socket."""
        return self._inbox.ended

    @property
    def is_good(self) -> bool:
        """Whether it is there, and what it has imported is what is there to be imported."""
        from kotta_runner.traces import changed_at

        return _is_alive(self.pid) and all(
            changed_at(path) == at for path, at in self._imported.items()
        )

    def ask(self, wanted: Dict[str, Any]) -> None:
        """Has it make a call; if it is gone, its end says so."""
        with contextlib.suppress(OSError):
            send(self.descriptor, wanted)

    def answer(self) -> Optional[int]:
        """The exit code of the call, once that has ended and this process may make another."""
        if self.has_hung_up() or not self._poller.poll(0):
            return None
        with contextlib.suppress(OSError):
            for told in self._inbox.receive():
                self.cpu_seconds = float(told["cpu_seconds"])
                self.peak_memory_bytes = int(told["peak_memory_bytes"])
                self._imported.update(told["imported"])
                self.result = told["result"]
                return int(told["code"])
        return None

    def end(self) -> None:
        """Ends it, unless somebody has taken leave of it before."""
        self._ours.close()
        with contextlib.suppress(ChildProcessError):
            # not taken leave of, its number is nobody else's yet
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


class Callers:
    """The one caller that a runner keeps between its attempts, if any."""

    def __init__(self) -> None:
        self._kept: Optional[Tuple[Caller, Any]] = None

    def take(self, attempt: Attempt, launch: Dict[str, Any], variables: Dict[str, str]) -> Caller:
        """A caller for this attempt's call."""
        if self._kept is not None:
            caller, use = self._kept
            if use == _use_of(launch, variables) and caller.is_good:
                self._kept = None
                return caller
            self.end()
        caller = Caller(attempt)
        limit(caller.pid, launch)
        return caller

    def give_back(self, caller: Caller, launch: Dict[str, Any], variables: Dict[str, str]) -> None:
        """Keeps one that has answered, for the next call of its kind."""
        self._kept = (caller, _use_of(launch, variables))

    def end(self) -> None:
        """Ends what is kept."""
        if self._kept is not None:
            self._kept[0].end()
            self._kept = None


def _use_of(launch: Dict[str, Any], variables: Dict[str, str]) -> Any:
    """What has to be the same for a process to make another call."""
    shared = {name: value for name, value in variables.items() if name not in OWN_VARIABLES}
    function = launch["function"]
    whose = (launch.get("owner"), function["name"], function["python"])
    return (*whose, launch.get("limits"), launch.get("resources"), shared)


def _is_alive(process: int) -> bool:
    try:
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


class _Serving:
    """In the fork: makes calls until the runner is gone, or one has left something behind."""

    def __init__(self, call: Any, traces: Any, messages: socket.socket) -> None:
        self._call = call
        self._traces = traces
        self._messages = messages.fileno()
        self._null = os.open(os.devnull, os.O_RDWR)

    def to_its_end(self) -> NoReturn:
        code = 1
        try:
            plain_signals()
            os.setsid()
            os.dup2(self._null, 0)
            self._call.become_caller()
            code = self._make_calls()
        finally:
            os._exit(code)

    def _make_calls(self) -> int:
        """The exit code of the last, if that is to be the process's own."""
        clean = self._traces.Clean()
        inbox = Inbox(self._messages)
        while not inbox.ended:
            for wanted in inbox.receive():
                clean.begin()
                result = self._make(wanted)
                code: int = self._call.exit_code(result)
                after = clean.after(wanted["work"], wanted["most_memory_bytes"])
                if after is None:
                    self._call.leave(result, wanted["result"])
                    return code
                self._let_go()
                send(self._messages, {"code": code, "result": result, **after})
                if after["imported"]:
                    gc.freeze()  # it stays, and need not be looked at again
        return 0

    def _make(self, wanted: Dict[str, Any]) -> Dict[str, Any]:
        """Makes a call as a newly started process would; what became of it."""
        for name, number in (("stdout", 1), ("stderr", 2)):
            stream = os.open(wanted[name], os.O_WRONLY | os.O_APPEND)
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(wanted["work"])
        os.umask(0o022)
        self._call.begin(wanted["environment"])
        if wanted["python"] != "%d.%d" % sys.version_info[:2]:
            result: Dict[str, Any] = self._call.version_error(wanted["python"])
        else:
            # what the call sets of its context (decimal's, numpy's) is gone with it
            context = contextvars.copy_context()
            result = context.run(self._call.call, _payload(wanted), wanted["result"])
        self._call.finish()
        gc.collect()
        return result

    def _let_go(self) -> None:
        """Leaves the folder and the streams of the call to its runner."""
        os.chdir("/")
        os.dup2(self._null, 1)
        os.dup2(self._null, 2)


def _payload(wanted: Dict[str, Any]) -> bytes:
    if wanted["payload"]:
        return base64.b64decode(wanted["payload"])
    with open(wanted["payload_path"], "rb") as file:
        return file.read()
