"""Finds this user's local service, and starts it where there is none."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from kotta import paths
from kotta.errors import ConfigError, ServiceStartError

logger = logging.getLogger(__name__)

LEAVE_SECONDS = 15
"""How long a service that is leaving may own its data; it gives requests at hand 10 s."""
OTHERS_START_SECONDS = 35
"""Longer than another starter takes at most, so that its failure is told of, not ours."""
ADDRESS_FILE = "service.address"


def socket_now() -> Path:
    """Where the local service listens, or will; its data directory is made if need be."""
    data = paths.data_directory()
    own = paths.socket_path(data)
    return _found(own, data) or own


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
    if sys.platform == "win32":
        raise ConfigError(
            "there is no local service on Windows", hint="name another: KOTTA_SERVER=https://…"
        )
    data = paths.data_directory()
    own = paths.socket_path(data)
    if running := _found(own, data):
        return running
    with _only_one_starter(data):
        if running := _found_once_owner_leaves(own, data):
            return running
        from kotta.service_process import start

        pid = start(own, data)
        _remember(own, data)
        sentence = f"started the local service (pid {pid}, data in {data})"
        logger.info(sentence)
        if notify is not None:
            notify(sentence)
    return own


def _found(own: Path, data: Path) -> Path | None:
    """Where somebody listens: at our own path, or at the one of whoever started the service.

    The two differ between a login and a cron job, which have not the same XDG_RUNTIME_DIR.
    """
    if is_running(own):
        return own
    try:
        other = Path((data / ADDRESS_FILE).read_text(encoding="utf-8").strip())
        # its folder may have gone and come back as somebody else's, with a socket of theirs
        if other != own and paths.is_ours_alone(other.parent) and is_running(other):
            return other
    except (OSError, ValueError):
        pass  # no note, or none that makes sense
    return None


def _remember(path: Path, data: Path) -> None:
    aside = data / f"{ADDRESS_FILE}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with contextlib.suppress(OSError):  # without it, only those with our own path find it
        with os.fdopen(os.open(aside, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{path}\n")
        os.replace(aside, data / ADDRESS_FILE)


@contextlib.contextmanager
def _only_one_starter(data: Path) -> Iterator[None]:
    import fcntl

    # beside the data rather than the socket, whose folder may not be everybody's
    lock = data / "service.start.lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServiceStartError(f"{lock} cannot be opened: {error.strerror}") from error
    try:
        deadline = time.monotonic() + OTHERS_START_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServiceStartError(
                        "another command has been starting the local service for "
                        f"{OTHERS_START_SECONDS} s",
                        hint="kotta service logs",
                    ) from None
                time.sleep(0.01)
            except OSError as error:
                raise ServiceStartError(f"{lock} cannot be locked: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)


def _found_once_owner_leaves(own: Path, data: Path) -> Path | None:
    """The socket of a service that came up meanwhile; None once the data is nobody's.

    A service that is leaving answers no more calls, but owns its data until the last is answered.
    """
    deadline = time.monotonic() + LEAVE_SECONDS
    while True:
        if running := _found(own, data):
            return running
        if not _is_owned(data):
            return None
        if time.monotonic() > deadline:
            raise ServiceStartError(
                f"a service is at work on {data}, but does not answer at {own}",
                hint="if it is `kotta serve`, name its address in KOTTA_SERVER; if not, end it",
            )
        time.sleep(0.02)


def _is_owned(data: Path) -> bool:
    import fcntl

    try:
        descriptor = os.open(data / "service.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False
