"""`python -m kotta_runner.launcher`: has a runner ready for each launch it reads.

Everything a runner needs is imported here once; a runner is a fork of this process, and one that
has ended an attempt takes another. One thread, which waits for its standard input, for what runners
say, and for their end.

With `--block` it is one of a pilot's (`block.py`): when it ends, so do its runners, as they have no
right to the node any more; and what a runner that was killed has left running is ended.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from importlib import import_module
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from kotta_runner.caller import Callers
from kotta_runner.frames import Inbox, send
from kotta_runner.process_tree import become_subreaper, end_gently, end_with_parent, tagged
from kotta_runner.report import Launcher
from kotta_runner.run import LEFTOVER_GRACE_SECONDS, run_attempt
from kotta_runner.signals import CancelSignal

_FOR_FORKS = (
    "kotta_runner.calling", "kotta_runner.environment", "kotta_runner.isolated",
    "kotta_runner.addresses", "shutil", "subprocess", "threading",
)  # fmt: skip
"""What some runners import when they need it, which these have from us."""
MAX_IDLE = 4
MAX_ATTEMPTS = 200
"""After so many attempts a runner leaves: it collects no garbage."""
IDLE_SECONDS = 60.0
"""For so long an idle runner keeps what made its last call."""


class Runner(NamedTuple):
    """A child of this process, and our end of the socket it takes launches from."""

    pid: int
    launches: socket.socket


class Attempt:
    """What a runner is busy with.

    Attributes:
        has_place: whether another of its queue may begin once it has ended.
    """

    def __init__(self, runner: Runner, launch: Dict[str, Any]) -> None:
        self.runner = runner
        self.key = _key_of(launch)
        self.queue = _queue_of(launch)
        self.has_place = True


def main() -> int:
    for name in _FOR_FORKS:
        with contextlib.suppress(ImportError):
            import_module(name)
    gc.disable()
    gc.freeze()  # so that no collector touches, and copies, the launcher's pages in a runner
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for whoever is in front
    is_of_block = "--block" in sys.argv[1:]
    if is_of_block:
        become_subreaper()
    _Pool(sys.stdin.fileno(), sys.stdout.fileno(), is_of_block).serve()
    return 0


class _Pool:
    """Runners, idle and busy, for a service that sends launches and hears what became of them."""

    def __init__(self, commands: int, answers: int, is_of_block: bool) -> None:
        self._is_of_block = is_of_block
        self._commands = Inbox(commands)
        self._answers = answers
        notes_reader, self._notes_writer = os.pipe()
        self._notes = Inbox(notes_reader)
        self._wakes, self._waker = os.pipe()
        self._idle: List[Runner] = []
        self._busy: Dict[int, Attempt] = {}
        self._held: List[Dict[str, Any]] = []

    def serve(self) -> None:
        """Until the end of input; runners run on."""
        os.set_blocking(self._waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        poller = select.poll()
        for descriptor in (self._commands.descriptor, self._notes.descriptor, self._wakes):
            poller.register(descriptor, select.POLLIN)
        while not self._commands.ended:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if self._notes.descriptor in ready:
                for note in self._notes.receive():
                    self._hear(note)
            if self._wakes in ready:
                os.read(self._wakes, 4096)
                self._reap()
            if self._commands.descriptor in ready:
                for command in self._commands.receive():
                    self._heed(command)
        for runner in self._runners():
            runner.launches.close()

    def _runners(self) -> List[Runner]:
        return [*self._idle, *(attempt.runner for attempt in self._busy.values())]

    def _heed(self, command: Dict[str, Any]) -> None:
        """Does as the service says; of what is held, it is told once more that it is to begin."""
        key = command["drop"] if "drop" in command else _key_of(command["launch"])
        self._held = [launch for launch in self._held if _key_of(launch) != key]
        if any(attempt.key == key for attempt in self._busy.values()):
            return
        if "hold" in command:
            self._held.append(command["launch"])
        elif "launch" in command:
            self._launch(command["launch"])

    def _launch(self, launch: Dict[str, Any]) -> None:
        try:
            runner = self._idle.pop() if self._idle else self._forked()
            self._busy[runner.pid] = Attempt(runner, launch)
            send(runner.launches.fileno(), {"launch": launch})
        except OSError as error:
            # a runner that was killed while it was idle is missed by `_reap`, which tells the rest
            send(self._answers, {"failed": {**_key_of(launch), "error": str(error)}})

    def _hear(self, note: Dict[str, Any]) -> None:
        if "phase" in note:
            phase = note["phase"]
            key = _key_of(phase)
            for attempt in list(self._busy.values()):
                if attempt.key == key and phase["phase"] == "staging_outputs":
                    note = {**note, **self._give_place(attempt)}
            send(self._answers, note)
            return
        if note["ended"] not in self._busy:
            return  # it was killed right after, and `_reap` has told of it
        attempt = self._busy.pop(note["ended"])
        if note["leaves"] or len(self._idle) >= MAX_IDLE:
            attempt.runner.launches.close()
        else:
            self._idle.append(attempt.runner)
        send(self._answers, {"ended": attempt.key, **self._give_place(attempt)})

    def _give_place(self, attempt: Attempt) -> Dict[str, Any]:
        """Has the next that is held of its queue begin where it needs its cores no more.

        Returns:
            What to tell of it.
        """
        if not attempt.has_place:
            return {}
        attempt.has_place = False
        for launch in self._held:
            if _queue_of(launch) == attempt.queue:
                self._held.remove(launch)
                at = time.time()
                self._launch(launch)
                return {"begun": {**_key_of(launch), "at": at}}
        return {}

    def _reap(self) -> None:
        for pid in _ended_children():
            if pid in self._busy:
                attempt = self._busy.pop(pid)
                attempt.runner.launches.close()
                if self._is_of_block:
                    _end_leftovers(attempt.key)
                # what it left may be running: only the service gives its place away
                send(self._answers, {"ended": attempt.key})
            self._idle = [runner for runner in self._idle if runner.pid != pid]

    def _forked(self) -> Runner:
        ours, theirs = socket.socketpair()
        launcher = Launcher(os.getpid(), self._notes_writer)
        pid = os.fork()
        if pid == 0:
            ours.close()
            for runner in self._runners():
                # held open here, it would keep that runner from seeing the launcher's end
                runner.launches.close()
            for descriptor in (self._notes.descriptor, self._wakes, self._waker):
                os.close(descriptor)
            _be_a_runner(theirs.fileno(), launcher, self._is_of_block)
        theirs.close()
        return Runner(pid, ours)


def _be_a_runner(launches: int, launcher: Launcher, is_of_block: bool) -> None:
    """In the fork: takes launches until the launcher is gone; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.umask(0o077)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        cancel = CancelSignal()
        if is_of_block:
            cancel.heed_term()
            end_with_parent(launcher.pid, signal.SIGTERM)
        inbox = Inbox(launches)
        callers = Callers()
        for count in range(1, MAX_ATTEMPTS + 1):
            launch = _next(inbox, callers)
            if launch is None or cancel.is_ending:
                break
            run_attempt(launch, cancel, launcher, callers)
            leaves = count == MAX_ATTEMPTS
            if not launcher.tell({"ended": os.getpid(), "leaves": leaves}):
                break
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _next(inbox: Inbox, callers: Callers) -> Optional[Dict[str, Any]]:
    poller = select.poll()
    poller.register(inbox.descriptor, select.POLLIN)
    if not poller.poll(IDLE_SECONDS * 1000):
        callers.end()
    while not inbox.ended:
        for message in inbox.receive():
            launch: Dict[str, Any] = message["launch"]
            return launch
    return None


def _key_of(launch: Dict[str, Any]) -> Dict[str, Any]:
    return {"job_id": launch["job_id"], "attempt": launch["attempt"]}


def _queue_of(launch: Dict[str, Any]) -> Any:
    return (launch.get("resources") or {}).get("queue")


def _end_leftovers(key: Dict[str, Any]) -> None:
    """Ends what the command of a killed runner left; it has fallen to us."""
    tag = "%s/%d" % (key["job_id"], key["attempt"])
    end_gently(lambda: tagged(tag), LEFTOVER_GRACE_SECONDS, lambda: None)


def _ended_children() -> Iterator[int]:
    while True:
        try:
            child, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if child == 0:
            return
        yield child


if __name__ == "__main__":
    sys.exit(main())
