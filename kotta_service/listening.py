"""What a service holds while it lives: its data directory, and the sockets it listens on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket as sockets
from collections.abc import Iterator
from pathlib import Path

from kotta.errors import ConfigError, ConflictError

BACKLOG = 2048


@contextlib.contextmanager
def owned(data: Path, *, with_others: bool = False) -> Iterator[None]:
    """Owns a data directory, made if need be, by a lock that ends with the process.

    Args:
        with_others: others may own it as well that say so too: those that share a database.

    Raises:
        ConfigError: it cannot be made or written to.
        ConflictError: another service is at work on it.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / "service.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot keep data in {data}: {error.strerror}",
            hint="set XDG_DATA_HOME to a folder that you can write to",
        ) from error
    try:
        try:
            lock = fcntl.LOCK_SH if with_others else fcntl.LOCK_EX
            fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another service is at work on {data}", hint="kotta service status"
            ) from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def own_socket(path: Path) -> Iterator[sockets.socket]:
    """A Unix socket that only this user can reach, listening; a leftover there is replaced.

    Raises:
        ConfigError: it cannot be made there.
        ConflictError: another service listens there.
    """
    _refuse_if_used(path)
    path.unlink(missing_ok=True)
    listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    # the socket is made with its mode: there is no moment in which others could connect
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {path}: {error}",
            hint="a socket's path may have 107 bytes at most; set XDG_RUNTIME_DIR to a short one",
        ) from error
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    inode = path.stat().st_ino
    try:
        yield listener
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == inode:
                path.unlink()
        listener.close()


def _refuse_if_used(path: Path) -> None:
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as asking:
        asking.settimeout(1)
        # what is wrong with the path itself is told when it is bound
        with contextlib.suppress(OSError):
            asking.connect(str(path))
            raise ConflictError(
                f"another service listens at {path}", hint="--socket PATH gives this one its own"
            )


@contextlib.contextmanager
def network_socket(host: str, port: int) -> Iterator[sockets.socket]:
    """A TCP socket, listening.

    Raises:
        ConfigError: the address is not one of this machine, or somebody listens there.
    """
    try:
        found = sockets.getaddrinfo(host, port, type=sockets.SOCK_STREAM, flags=sockets.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = sockets.socket(family, sockets.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}: {error}", hint="see [serve] host") from error
    try:
        listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}, port {port}: {error.strerror}",
                hint="--port N, or [serve] port in the settings; 0 takes any that is free",
            ) from error
        listener.listen(BACKLOG)
        yield listener
    finally:
        listener.close()
