"""What a call has left behind in the process that made it, as far as can be told.

What cannot be told, and is there for later calls of the same function, is what it changed within
modules: docs/functions.md says so to users.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import sysconfig
import threading
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

_SIGNALS = [number for number in signal.Signals if number not in (signal.SIGKILL, signal.SIGSTOP)]
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
try:
    _trim: Optional[Callable[[int], int]] = ctypes.CDLL(None).malloc_trim
except (AttributeError, OSError):
    _trim = None  # there is no glibc


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
        later one would find, or if that cannot be told here.

        Args:
            work: the folder that it was made in.
            most_memory_bytes: what the process may hold.

        Raises:
            Exception: something that the call left there, as it was looked at.
        """
        if not os.path.isdir("/proc/self") or _has_had_children() or _state() != self._state:
            return None
        resident_bytes, peak_bytes = _memory()
        if resident_bytes > most_memory_bytes and _trim is not None:
            _trim(0)  # what is free already goes back to the system
            resident_bytes, _ = _memory()
        if resident_bytes > most_memory_bytes:
            return None
        imported: Dict[str, int] = {}
        if new := sys.modules.keys() - self._modules:
            folder = os.path.realpath(work) + "/"
            if any(path.startswith(folder) for name in new for path in _places_of(name)):
                return None  # the next has another file of that name
            self._modules.update(new)
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
        files = {file for name in list(sys.modules) for file in _places_of(name)}
        outside = {file for file in files if not file.startswith(_INSTALLED)}
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
    return [
        [signal.getsignal(number) for number in _SIGNALS],
        signal.pthread_sigmask(signal.SIG_BLOCK, []),
        [signal.getitimer(timer) for timer in _TIMERS],
        [resource.getrlimit(what) for what in _LIMITS],
        [os.getresuid(), os.getresgid(), os.getgroups(), os.getpriority(os.PRIO_PROCESS, 0)],
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        list(_open_files()),
        [_thread._count(), threading.active_count(), threading.excepthook],
        list(sys.path),
        [sys.stdin, sys.stdout, sys.stderr, sys.excepthook, sys.unraisablehook],
        [sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile()],
        [gc.isenabled(), gc.get_threshold()],
        _locale(),
        list(_log_handlers()),
    ]


def _open_files() -> Iterator[Tuple[int, int, int]]:
    """Each descriptor, and what it is of; but for the two that every call has its own of."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the one by which we look
                if int(name) not in (1, 2):
                    about = os.fstat(int(name))
                    yield int(name), about.st_dev, about.st_ino


def _log_handlers() -> Iterator[Any]:
    """What log messages are written by; but for what libraries have that write none."""
    logging = sys.modules.get("logging")
    if logging is not None:
        loggers = [logging.root, *logging.root.manager.loggerDict.values()]
        for logger in loggers:
            for handler in getattr(logger, "handlers", ()):
                if not isinstance(handler, logging.NullHandler):
                    yield handler


def _locale() -> str:
    # what was never imported was never changed
    locale = sys.modules.get("locale")
    return str(locale.setlocale(locale.LC_ALL)) if locale is not None else "C"


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


def _places_of(name: str) -> List[str]:
    """The file of an imported module; of a package without one, its folders."""
    module = sys.modules.get(name)
    if not isinstance(module, ModuleType):
        return []
    # not by the module's own means, by which a lazy one would be loaded
    known = object.__getattribute__(module, "__dict__")
    file = known.get("__file__")
    if file is None:
        return ["%s/" % os.path.abspath(folder) for folder in known.get("__path__") or ()]
    return [file] if isinstance(file, str) else []
