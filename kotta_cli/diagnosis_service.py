"""Checks of the service that is meant: whether it answers, and what it keeps here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from kotta._version import __version__
from kotta_cli.diagnosis import NOTE, OK, PROBLEM, Finding

if TYPE_CHECKING:
    from kotta.models import ServiceInfo
    from kotta_cli.context import App

_TAIL_BYTES = 256 << 10
_LOG_LINES = 5
_SKEW_SECONDS = 120
_LEVELS = (" ERROR ", " CRITICAL ")
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
"""What stands between the tracebacks of one error."""


def server(app: App) -> Iterator[Finding]:
    """Which service is meant, and who says so."""
    found = app.config.server(app.server, app.profile)
    words = found.address or "the local service"
    said_by = {"default": "nothing says otherwise", "argument": "--server says so"}
    origin = said_by.get(found.origin, f"{found.origin} says so")
    if found.chosen_by:
        origin = f"{found.origin}, chosen by {found.chosen_by}"
    yield Finding("server", OK, f"{words}: {origin}")


def service(app: App, *, start: bool) -> Iterator[Finding]:
    """Whether it answers, and fits this client."""
    client = app.client
    began = time.monotonic()
    is_there = _data().exists() or not client.server.is_local
    info = client.service() if start else client.peek_service() if is_there else None
    if info is None:
        words = "not running; it starts with the next command that needs it"
        yield Finding("service", OK, words, "kotta doctor --start looks whether it can")
        return
    took = (time.monotonic() - began) * 1000
    process = f"pid {info.pid}, " if info.pid is not None else ""
    words = f"answers in {took:.0f} ms; {process}{info.active_jobs} jobs run, "
    yield Finding("service", OK, f"{words}{info.pending_jobs} wait")
    yield _fitting(info, is_local=client.server.is_local)
    if info.storage_problem:
        words = f"the service cannot use it: {info.storage_problem}"
        yield Finding("storage", PROBLEM, words, "tell whoever runs it; jobs wait until it can")


def clock() -> Iterator[Finding]:
    """Whether it has been set back: times of jobs would make no sense."""
    now = time.time()
    files = [_data() / name for name in ("kotta.db", "kotta.db-wal", "service.log")]
    newest = max((path.stat().st_mtime for path in files if path.exists()), default=now)
    zone = time.strftime("%z")
    if newest > now + _SKEW_SECONDS:
        words = f"it is behind what was written here by {newest - now:.0f} s (UTC{zone})"
        yield Finding("clock", PROBLEM, words, "set the clock; timedatectl shows it")
    else:
        yield Finding("clock", OK, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


def database() -> Iterator[Finding]:
    """How large the local service's is."""
    path = _data() / "kotta.db"
    if not path.exists():
        yield Finding("database", OK, "not made yet")
        return
    size = sum(
        part.stat().st_size for part in (path, path.with_name("kotta.db-wal")) if part.exists()
    )
    words = f"{path}: {size / (1 << 20):.1f} MiB"
    if not os.access(path, os.R_OK | os.W_OK):
        yield Finding("database", PROBLEM, f"{words}, not writable", f"chmod u+rw {path}")
    else:
        yield Finding("database", OK, words)


def log() -> Iterator[Finding]:
    """The last errors that the local service has told of."""
    path = _data() / "service.log"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        yield Finding("log", OK, "not made yet")
        return
    errors = list(_errors(lines))
    if not errors:
        yield Finding("log", OK, f"{path}: no errors lately")
        return
    shown = "\n".join(line[:300] for line in errors[-_LOG_LINES:])
    words = f"{path}: {len(errors)} errors lately, the last of them\n{shown}"
    yield Finding("log", NOTE, words, "kotta service logs")


def _errors(lines: Iterable[str]) -> Iterator[str]:
    """What a log says of errors, each in one line: the words, and what ends their traceback."""
    words, end, is_traceback = "", "", False
    for line in lines:
        if line.startswith("Traceback "):
            is_traceback = True
        elif is_traceback and line[:1].strip():
            is_traceback, end = False, line
        elif not is_traceback and line and not line.startswith(_CHAINED):
            if words or end:
                yield ": ".join(filter(None, (words, end)))
            words, end = (line if any(level in line for level in _LEVELS) else ""), ""
    if words or end:
        yield ": ".join(filter(None, (words, end)))


def _fitting(info: ServiceInfo, *, is_local: bool) -> Finding:
    if info.version == __version__:
        return Finding("versions", OK, f"service and command are both {__version__}")
    words = f"the service is {info.version}, this command {__version__}"
    if is_local:
        return Finding("versions", PROBLEM, words, "kotta service stop: the next one starts anew")
    return Finding("versions", NOTE, words)


def _data() -> Path:
    """Where the local service keeps everything; not made by looking."""
    return platformdirs.user_data_path("kotta")
