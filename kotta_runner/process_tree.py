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
from typing import Callable, Dict, List, Optional, Set

_PR_SET_CHILD_SUBREAPER = 36  # Source: prctl(2), linux/prctl.h
_PAUSE_SECONDS = 0.01
try:
    # looked up once, before any fork: each runner calls it first of all
    _prctl: Optional[Callable[..., int]] = ctypes.CDLL(None, use_errno=True).prctl
except (AttributeError, OSError):
    _prctl = None


def become_subreaper() -> None:
    """From now on, an orphan below this process becomes its child, not init's (Linux)."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> Set[int]:
    """Every live process below this one; zombies are left out."""
    if not _has_children():
        return (
            set()
        )  # a subreaper without children has no descendants: no need to read all of /proc
    children: Dict[int, List[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parent = _parent(int(entry))
            if parent is not None:
                children.setdefault(parent, []).append(int(entry))
    found: Set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(child)
            waiting.append(child)
    return found


def tagged(tag: str) -> Set[int]:
    """Every live process of this user that was started with `KOTTA_TAG` set to `tag`."""
    wanted = b"KOTTA_TAG=" + tag.encode()
    found = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.add(int(entry))
        except OSError:
            continue
    return found


def send(processes: Set[int], number: int) -> None:
    for process in processes:
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

    def end_gently(self, grace_seconds: float) -> None:
        """Ends all descendants; returns when none is left."""
        end_gently(descendants, grace_seconds, self.reap)

    def kill(self) -> None:
        """Kills all descendants; returns when none is left."""
        kill_until_none(descendants, self.reap)


def kill_until_none(find: Callable[[], Set[int]], reap: Callable[[], None]) -> None:
    """SIGKILL for all that `find` finds, over and over, until it finds nothing.

    Each round stops them first, so that none can fork while its siblings are being killed.
    """
    while processes := find():
        send(processes, signal.SIGSTOP)
        send(find() | processes, signal.SIGKILL)
        reap()
        time.sleep(_PAUSE_SECONDS)


def end_gently(
    find: Callable[[], Set[int]], grace_seconds: float, reap: Callable[[], None]
) -> None:
    """SIGTERM for all that `find` finds; after `grace_seconds` SIGKILL, until none is left."""
    send(find(), signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline:
        reap()
        if not find():
            return
        time.sleep(_PAUSE_SECONDS)
    kill_until_none(find, reap)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _parent(process: int) -> Optional[int]:
    try:
        with open("/proc/%d/stat" % process, "rb") as file:
            # Source: proc(5): pid (name) state ppid; the name may contain anything, `)` too
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return None
    return None if state in (b"Z", b"X") else int(parent)
