"""A process that makes one function's calls, one after another, for one runner: the runner's side.

To make a process costs as much as all else of a short call, and what a call imports it need not
import again. It makes another call only if the last has left nothing behind that could be told
(`traces.py`), and only for whom and what it made that one. `calling.py` is its own side.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal

from kotta_runner import TYPE_CHECKING
from kotta_runner.attempt import Attempt
from kotta_runner.frames import Inbox, send
from kotta_runner.limits import limit
from kotta_runner.spawning import spawn

if TYPE_CHECKING:
    import socket
    from typing import Any, Dict, Optional

MAX_MESSAGE_BYTES = 64 << 10
"""More goes as a file: what a process that was stopped does not read must fit into the socket, or
its runner would wait for it."""
OWN_VARIABLES = ("KOTTA_JOB_ID", "TURING_JOB_ID", "KOTTA_ATTEMPT", "KOTTA_TAG")
"""What each job has of its own in an environment."""


class Caller:
    """The process, as its runner sees it.

    Attributes:
        pid: its process id, until it is ended.
        use: what it makes calls of, as `use_of` says.
        cpu_seconds: what it has used in all, as far as it has told.
        peak_memory_bytes: the most memory that the latest call had resident.
        result: what became of the latest call, as `call.py` has it.
    """

    def __init__(self, attempt: Attempt, launch: Dict[str, Any], variables: Dict[str, str]) -> None:
        self.use = use_of(launch, variables)
        self.cpu_seconds = 0.0
        self.peak_memory_bytes = 0
        self.result: Dict[str, Any] = {}
        self._imported: Dict[str, int] = {}
        self._tag = ""
        # imported here, as the others of this file: a cluster's runners pay for what they import
        import socket

        self._ours, theirs = socket.socketpair()
        self._inbox = Inbox(self._ours.fileno())
        self._poller = select.poll()
        self._poller.register(self._ours.fileno(), select.POLLIN)
        with theirs:
            if launch.get("requirements"):
                self.pid = _spawned(attempt, launch, variables, theirs)
            else:
                self.pid = self._forked(attempt, theirs)
        limit(self.pid, launch)

    def _forked(self, attempt: Attempt, theirs: socket.socket) -> int:
        # the launcher has it loaded; a child that had to load it would pay for it each time
        from kotta_runner.calling import serve

        runner = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                self._ours.close()
                os.setsid()
                attempt.forget()  # else what a call leaves behind would seem to be a runner at work
                serve(runner, theirs.fileno())
            finally:
                os._exit(1)
        return child

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

    def ask(self, wanted: Dict[str, Any], aside: str) -> None:
        """Has it make a call; if it is gone, its end says so.

        Args:
            aside: a file for what is too large for a message.
        """
        self._tag = wanted["tag"]
        text = json.dumps(wanted)
        if len(text) > MAX_MESSAGE_BYTES:
            with open(aside, "w") as file:
                file.write(text)
            wanted = {"file": aside}
        with contextlib.suppress(OSError):
            send(self.descriptor, wanted)

    def answer(self) -> Optional[int]:
        """The exit code of the call, once that has ended and this process may make another."""
        if self.has_hung_up() or not self._poller.poll(0):
            return None
        try:
            for told in self._inbox.receive():
                if told["tag"] == self._tag:
                    self.cpu_seconds = float(told["cpu_seconds"])
                    self.peak_memory_bytes = int(told["peak_memory_bytes"])
                    self._imported.update(told["imported"])
                    self.result = dict(told["result"])
                    return int(told["code"])
        except (OSError, ValueError, KeyError, TypeError):
            self._inbox.ended = True  # the call wrote there itself
        return None

    def end(self) -> None:
        """Ends it, unless somebody has taken leave of it before."""
        self._ours.close()
        # not taken leave of, its number is nobody else's yet
        if _is_alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


class Callers:
    """The one caller that a runner keeps between its attempts, if any."""

    def __init__(self) -> None:
        self._kept: Optional[Caller] = None

    def take(self, attempt: Attempt, launch: Dict[str, Any], variables: Dict[str, str]) -> Caller:
        """A caller for this attempt's call."""
        shared = {name: value for name, value in variables.items() if name not in OWN_VARIABLES}
        kept, self._kept = self._kept, None
        if kept is not None:
            if kept.use == use_of(launch, shared) and kept.is_good:
                return kept
            kept.end()
        return Caller(attempt, launch, shared)

    def give_back(self, caller: Caller) -> None:
        """Keeps one that has answered, for the next call of its kind."""
        self._kept = caller

    def end(self) -> None:
        """Ends what is kept."""
        if self._kept is not None:
            self._kept.end()
            self._kept = None


def use_of(launch: Dict[str, Any], variables: Dict[str, str]) -> Any:
    """What has to be the same for a process to make another call.

    Args:
        variables: those that are no job's own.
    """
    function = launch["function"]
    whose = (launch.get("owner"), function["name"], function["python"])
    where = (launch.get("requirements"), variables)
    return (*whose, *where, launch.get("limits"), launch.get("resources"))


def _spawned(
    attempt: Attempt, launch: Dict[str, Any], variables: Dict[str, str], theirs: socket.socket
) -> int:
    """The Python of the environment that holds the launch's requirements."""
    from kotta_runner.environment import caller_command, environment_path

    command = caller_command(environment_path(launch), os.getpid(), theirs.fileno())
    theirs.set_inheritable(True)
    # should it not get as far as the call, the job's stderr says why
    return spawn(command, variables, *attempt.streams(launch))


def _is_alive(child: int) -> bool:
    """Whether it is; if not, it is taken leave of."""
    try:
        return os.waitpid(child, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False
