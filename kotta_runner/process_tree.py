"""The processes below this one, and those that carry an attempt's tag: finding and ending them.

Linux only where it says so: elsewhere there is no subreaper and no /proc, and a process that leaves
its session is not found.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time

from kotta_runner import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Set, Tuple

_PR_SET_CHILD_SUBREAPER = 36  # Source: prctl(2), linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.2
try:
    # looked up once, before any fork: each runner calls it first of all
    _prctl: Optional[Callable[..., int]] = ctypes.CDLL(None, use_errno=True).prctl
except (AttributeError, OSError):
    _prctl = None


def become_subreaper() -> None:
    """From now on, an orphan below this process becomes its child, not init's (Linux)."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """From now on, this process gets a signal when its parent, of that id, ends (Linux)."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it ended before we asked


def forbid_new_privileges() -> None:
    """From now on, set-user-id programs give nothing to this process and its children (Linux).

    Raises:
        PermissionError: the kernel cannot promise that.
    """
    if _prctl is None or _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise PermissionError("this system cannot forbid new privileges")


class Found:
    """Some processes, and the process groups they are in, but for our own group.

    A group lies within a session, and a job's sessions are its own: so a group may be killed.
    """

    def __init__(self) -> None:
        self.processes: Set[int] = set()
        self.groups: Set[int] = set()

    def __bool__(self) -> bool:
        return bool(self.processes)

    def add(self, process: int, group: int) -> None:
        self.processes.add(process)
        if group != os.getpgrp():
            self.groups.add(group)


def descendants(but: Optional[int] = None) -> Found:
    """Every live process below this one, but for one; zombies are left out."""
    found = Found()
    if not _has_children() or (but is not None and _has_only(but)):
        # a subreaper without children has no descendants: no need to read all of /proc
        return found
    children: Dict[int, List[Tuple[int, int]]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parent, group = _parent_and_group(int(entry))
            if parent is not None:
                children.setdefault(parent, []).append((int(entry), group))
    waiting = [os.getpid()]
    while waiting:
        for child, group in children.get(waiting.pop(), ()):
            if child != but:
                found.add(child, group)
            waiting.append(child)
    return found


def tagged(tag: str) -> Found:
    """Every live process of this user that was started with `KOTTA_TAG` set to `tag`."""
    wanted = b"KOTTA_TAG=" + tag.encode()
    found = Found()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        if wanted in _environment(entry).split(b"\0"):
            found.add(int(entry), _parent_and_group(int(entry))[1])
    return found


def send(found: Found, number: int) -> None:
    for process in found.processes:
        with contextlib.suppress(OSError):
            os.kill(process, number)


class Children:
    """The children of this process, and the orphans it inherits as a subreaper.

    Attributes:
        cpu_seconds: user and system time of all that have ended.
        peak_memory_bytes: largest resident memory of any one of them.
    """

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.peak_memory_bytes = 0
        self._statuses: Dict[int, int] = {}

    def status(self, child: int) -> Optional[int]:
        """A child's exit code or negative signal, None while it runs."""
        self.reap(keep=child)
        return self._statuses.get(child)

    def reap(self, keep: int = -1) -> None:
        """Takes leave of all that have ended; the status of `keep` can be asked for later."""
        with contextlib.suppress(ChildProcessError):
            while True:
                child, status, used = os.wait4(-1, os.WNOHANG)
                if child == 0:
                    return
                self.cpu_seconds += used.ru_utime + used.ru_stime
                # Source: getrusage(2): ru_maxrss is in kilobytes on Linux
                self.peak_memory_bytes = max(self.peak_memory_bytes, used.ru_maxrss * 1024)
                if child == keep:
                    self._statuses[child] = os.waitstatus_to_exitcode(status)

    def add(self, cpu_seconds: float, memory_bytes: int) -> None:
        """Takes in what a child has used that goes on."""
        self.cpu_seconds += cpu_seconds
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory_bytes)

    def end_gently(self, grace_seconds: float, but: Optional[int] = None) -> None:
        """Ends all descendants, or all but one; returns when none is left."""
        end_gently(lambda: descendants(but), grace_seconds, self.reap)
        self.reap()

    def kill(self) -> None:
        """Kills all descendants; returns when none is left."""
        kill_until_none(descendants, self.reap)
        self.reap()


def kill_until_none(find: Callable[[], Found], reap: Callable[[], None]) -> None:
    """SIGKILL for all that `find` finds, over and over, until it finds nothing.

    Each round stops them first, so that none can fork while its siblings are being killed.
    """
    pause = _PAUSE_SECONDS
    while processes := find():
        send(processes, signal.SIGSTOP)
        more = find()
        # what forks faster than we look is found by its group, which is killed in one step
        for group in processes.groups | more.groups:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        send(processes, signal.SIGKILL)
        send(more, signal.SIGKILL)
        reap()
        time.sleep(pause)
        # one that is stuck in the kernel may take long
        pause = min(pause * 1.2, _LONGEST_PAUSE_SECONDS)


def end_gently(find: Callable[[], Found], grace_seconds: float, reap: Callable[[], None]) -> None:
    """SIGTERM for all that `find` finds; after `grace_seconds` SIGKILL, until none is left."""
    send(find(), signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    pause = _PAUSE_SECONDS
    while time.monotonic() < deadline:
        reap()
        if not find():
            return
        time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        pause = min(pause * 1.2, _LONGEST_PAUSE_SECONDS)
    kill_until_none(find, reap)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _has_only(child: int) -> bool:
    """Whether this process has no child but that, which has none; False if it cannot be told."""
    try:
        return _children_of("self") == [b"%d" % child] and not _children_of(str(child))
    except OSError:
        return False


def _children_of(process: str) -> List[bytes]:
    # Source: proc(5): each thread's own
    folder = "/proc/%s/task" % process
    threads = os.listdir(folder)
    return [found for each in threads for found in _read("%s/%s/children" % (folder, each)).split()]


def _environment(process: str) -> bytes:
    """What a process was started with; empty if it is not ours to read, or gone."""
    try:
        return _read("/proc/%s/environ" % process)
    except ProcessLookupError:
        pass  # its first thread has ended, perhaps before others, who have it still
    except OSError:
        return b""
    with contextlib.suppress(OSError):
        for thread in os.listdir("/proc/%s/task" % process):
            with contextlib.suppress(OSError):
                return _read("/proc/%s/task/%s/environ" % (process, thread))
    return b""


def _parent_and_group(process: int) -> Tuple[Optional[int], int]:
    """The parent and the process group of a live process, (None, our group) if it is not one."""
    try:
        # Source: proc(5): pid (name) state ppid pgrp; the name may contain anything, `)` too
        fields = _read("/proc/%d/stat" % process).rpartition(b")")[2].split()
        # whose first thread has ended looks like a zombie, but for its number of threads
        if fields[0] == b"X" or (fields[0] == b"Z" and int(fields[17]) < 2):
            return None, os.getpgrp()
        return int(fields[1]), int(fields[2])
    except (OSError, IndexError):
        return None, os.getpgrp()


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
