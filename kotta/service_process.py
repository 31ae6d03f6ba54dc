"""Starts the local service's process and hears whether it is ready.

Whether there is need of one is decided in `kotta.local_service`; it imports this then only, as most
commands find the service running.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kotta.errors import ServiceStartError

START_SECONDS = 15
LEAVE_SECONDS = 5
LOG_LINES = 5
_NOT_HANDED_ON = (
    *("KOTTA_SERVER", "KOTTA_PROFILE", "KOTTA_TOKEN", "KOTTA_DEBUG"),
    *("PYTHONINSPECT", "PYTHONPROFILEIMPORTTIME", "PYTHONVERBOSE"),
)
_children: list[int] = []


def start(path: Path, data: Path) -> int:
    """Starts a service; on return it accepts connections at `path`. Its process id.

    Raises:
        ServiceStartError: it cannot start; the message says why.
    """
    _take_leave_of_earlier_ones()
    log_file = data / "service.log"
    reader, writer = os.pipe()
    try:
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                [
                    *(sys.executable or "python3", "-m", "kotta_service", "--local"),
                    *("--socket", str(path), "--data", str(data), "--ready-fd", str(writer)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                pass_fds=(writer,),
                start_new_session=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        os.close(reader)
        raise ServiceStartError(f"the local service cannot be started: {error}") from error
    finally:
        os.close(writer)
    answer = _first_line(reader)
    if answer is None:
        process.kill()
        process.wait()
        raise ServiceStartError(
            f"the local service did not become ready within {START_SECONDS} s",
            hint=f"see {log_file}",
        )
    message = _understood(answer)
    if message.get("ready") is not True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LEAVE_SECONDS)
        process.kill()
        process.wait()
        raise _refusal(message, log_file)
    # it outlives this process; told so, Popen does not warn of a child that was not waited for
    process.returncode = 0
    _children.append(process.pid)
    return process.pid


def _refusal(message: dict[str, Any], log_file: Path) -> ServiceStartError:
    if "error" in message:
        return ServiceStartError(
            f"the local service cannot start: {message['error']}",
            hint=str(message.get("hint", "")),
        )
    return ServiceStartError(
        "the local service ended while it started" + _last_lines(log_file), hint=f"see {log_file}"
    )


def _take_leave_of_earlier_ones() -> None:
    """Lets the system forget services that this very process started and that have ended."""
    for pid in list(_children):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                continue
        _children.remove(pid)


def _first_line(reader: int) -> bytes | None:
    """What comes through the pipe up to its end or a line's, None if neither comes in time."""
    line = b""
    deadline = time.monotonic() + START_SECONDS
    poll = select.poll()  # select.select() knows no descriptor above 1023
    poll.register(reader, select.POLLIN)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while not line.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not poll.poll(remaining * 1000):
                return None
            chunk = pipe.read(4096)
            if not chunk:
                return line
            line += chunk
    return line


def _understood(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _environment() -> dict[str, str]:
    """Ours, without what names another service (this one is nobody's client) or holds Python up.

    What says where Python finds modules stays: it is how this process found this package.
    """
    return {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}


def _last_lines(log_file: Path) -> str:
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines[-LOG_LINES:])
