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


def kill_until_none(find: Callable[[], Set[int]]) -> None:
    """SIGKILL for all that `find` finds, over and over, until it finds nothing.

    Each round stops them first, so that none can fork while its siblings are being killed.
    """
    while processes := find():
        send(processes, signal.SIGSTOP)
        send(find() | processes, signal.SIGKILL)
        reap()
        time.sleep(_PAUSE_SECONDS)


def end_gently(find: Callable[[], Set[int]], grace_seconds: float) -> None:
    """SIGTERM for all that `find` finds; after `grace_seconds` SIGKILL, until none is left."""
    send(find(), signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline:
        reap()
        if not find():
            return
        time.sleep(_PAUSE_SECONDS)
    kill_until_none(find)


def reap() -> None:
    """Takes leave of every child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


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
