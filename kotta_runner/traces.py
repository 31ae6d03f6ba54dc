"""What a call has left behind in the process that made it, as far as can be told.

What cannot be told, and is there for later calls of the same function, is what it changed within
modules: docs/functions.md says so to users.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import sysconfig
import threading
from typing import Any, Dict, List, Optional, Tuple

_SIGNALS = [number for number in signal.Signals if number not in (signal.SIGKILL, signal.SIGSTOP)]
_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


class Clean:
    """A process that makes calls, as it was before the first."""

    def __init__(self) -> None:
        self._modules = set(sys.modules)
        self._state = _state()
        self._told: Dict[str, int] = {}

    def begin(self) -> None:
        """Before a call: the high-water mark of memory begins anew."""
        with contextlib.suppress(OSError):
            descriptor = os.open("/proc/self/clear_refs", os.O_WRONLY)
            os.write(descriptor, b"5")  # Source: proc(5)
            os.close(descriptor)

    def after(self, work: str, most_memory_bytes: int) -> Optional[Dict[str, Any]]:
        """What the process has used, and has newly imported; None if the call left something that a
        later one would find.

        Args:
            work: the folder that it was made in.
            most_memory_bytes: what the process may hold.
        """
        resident_bytes, peak_bytes = _memory()
        if resident_bytes > most_memory_bytes or threading.active_count() > 1:
            return None
        if _has_had_children() or _state() != self._state:
            return None
        imported: Dict[str, int] = {}
        if len(sys.modules) != len(self._modules):
            new = sys.modules.keys() - self._modules
            folder = os.path.realpath(work) + "/"
            if any(_file_of(name).startswith(folder) for name in new):
                return None  # the next has another file of that name
            self._modules = set(sys.modules)
            imported = self._newly_imported()
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "peak_memory_bytes": peak_bytes,
            "imported": imported,
        }

    def _newly_imported(self) -> Dict[str, int]:
        """Files that a new process might import otherwise once they change, and when they did last.

        Of what is installed it is the folders: to install or remove something changes them.
        """
        files = {_file_of(name) for name in sys.modules}
        outside = {file for file in files if file and not file.startswith(_INSTALLED)}
        new = {path: changed_at(path) for path in {*_INSTALLED, *outside} if path not in self._told}
        self._told.update(new)
        return new


def changed_at(path: str) -> int:
    """When a file or folder was changed last, nanoseconds since 1970; 0 if it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _state() -> List[Any]:
    """What a call may change of its process and another would find."""
    logging = sys.modules.get("logging")
    return [
        [signal.getsignal(number) for number in _SIGNALS],
        [resource.getrlimit(what) for what in _LIMITS],
        signal.getitimer(signal.ITIMER_REAL),
        os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else [],
        list(sys.path),
        [sys.stdin, sys.stdout, sys.stderr],
        [sys.getrecursionlimit(), sys.gettrace(), sys.getprofile(), sys.excepthook],
        os.getpriority(os.PRIO_PROCESS, 0),
        list(logging.root.handlers) if logging else [],
    ]


def _memory() -> Tuple[int, int]:
    """Bytes that are resident, and the most that were since the call began."""
    found = {b"VmRSS": 0, b"VmHWM": 0}
    with contextlib.suppress(OSError), open("/proc/self/status", "rb", buffering=0) as file:
        for line in file.read().splitlines():
            name, _, rest = line.partition(b":")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024
    return found[b"VmRSS"], found[b"VmHWM"]


def _has_had_children() -> bool:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if used.ru_minflt or used.ru_utime or used.ru_stime:
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _file_of(name: str) -> str:
    file = getattr(sys.modules.get(name), "__file__", None)
    return file if isinstance(file, str) else ""
