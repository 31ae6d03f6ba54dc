"""Finds this user's local service, and starts it where there is none."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kotta import paths
from kotta.errors import ServiceStartError

logger = logging.getLogger(__name__)
START_SECONDS = 15
LOG_LINES = 5


def socket_now() -> Path:
    """Where the local service listens, if it runs; its data directory is made if need be."""
    return paths.socket_path(paths.data_directory())


def is_running(path: Path) -> bool:
    """Whether somebody accepts connections on this socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def ensure_running(notify: Callable[[str], None] | None = None) -> Path:
    """The socket of the local service, which is started if nobody listens there.

    However many processes and threads call this at once, one service is started.

    Args:
        notify: told in one sentence that the service was started, and where its data lies.

    Raises:
        ServiceStartError: it cannot start; the message says why.
        ConfigError: this user's folders cannot be used.
    """
    path = socket_now()
    if is_running(path):
        return path
    with _only_one_starter(path):
        if not is_running(path):
            data = paths.data_directory()
            pid = _start(path, data)
            sentence = f"started the local service (pid {pid}, data in {data})"
            logger.info(sentence)
            if notify is not None:
                notify(sentence)
    return path


@contextlib.contextmanager
def _only_one_starter(path: Path) -> Iterator[None]:
    import fcntl

    descriptor = os.open(f"{path}.start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServiceStartError(
                        "another command has been starting the local service for "
                        f"{START_SECONDS} s",
                        hint="kotta service logs",
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _start(path: Path, data: Path) -> int:
    import subprocess

    log_file = data / "service.log"
    reader, writer = os.pipe()
    try:
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "kotta_service", "--local"),
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
    # it is nobody's child to wait for: it outlives this process, and init will take leave of it
    process.returncode = 0
    answer = _first_line(reader)
    if answer is None:
        process.kill()
        raise ServiceStartError(
            f"the local service did not become ready within {START_SECONDS} s",
            hint=f"see {log_file}",
        )
    if not answer:
        raise ServiceStartError(
            "the local service ended while it started" + _last_lines(log_file),
            hint=f"see {log_file}",
        )
    message: dict[str, Any] = json.loads(answer)
    if "error" in message:
        raise ServiceStartError(
            f"the local service cannot start: {message['error']}", hint=message.get("hint", "")
        )
    return int(message["pid"])


def _first_line(reader: int) -> bytes | None:
    """What comes through the pipe up to its end or a line's, None if neither comes in time."""
    import select

    line = b""
    deadline = time.monotonic() + START_SECONDS
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while not line.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([pipe], [], [], remaining)[0]:
                return None
            chunk = pipe.read(4096)
            if not chunk:
                return line
            line += chunk
    return line


def _environment() -> dict[str, str]:
    """Ours, without what names another service: this one is nobody's client."""
    dropped = ("KOTTA_SERVER", "KOTTA_PROFILE", "KOTTA_DEBUG")
    return {name: value for name, value in os.environ.items() if name not in dropped}


def _last_lines(log_file: Path) -> str:
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines[-LOG_LINES:])
