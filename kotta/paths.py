"""This user's folders, files in them, and the path of the local service's socket."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

from kotta.errors import ConfigError

MAX_SOCKET_BYTES = 107
"""Source: unix(7): sun_path holds 108 bytes with its NUL."""


def config_directory() -> Path:
    """Where settings and profiles lie; not created."""
    return platformdirs.user_config_path("kotta")


def cache_directory() -> Path:
    """Where what can be made again lies; not created."""
    return platformdirs.user_cache_path("kotta")


def data_directory() -> Path:
    """Where the local service keeps everything, created for this user alone.

    Raises:
        ConfigError: it cannot be created or written to.
    """
    path = platformdirs.user_data_path("kotta")
    hint = "set XDG_DATA_HOME to a folder that you can write to"
    try:
        make_private(path)
    except OSError as error:
        raise ConfigError(
            f"Kotta keeps its data in {path}, which cannot be made: {error.strerror}", hint=hint
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"Kotta keeps its data in {path}, which you cannot write to", hint=hint)
    return path


def runtime_directory() -> Path:
    """Where sockets lie, created for this user alone: below XDG_RUNTIME_DIR if that is ours.

    Raises:
        ConfigError: there is no folder that only this user can use.
    """
    wanted = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(wanted) and _is_usable(wanted):
        return _ours_alone(Path(wanted, "kotta"))
    return _in_temporary()


def socket_path(data: Path) -> Path:
    """The socket of the service that keeps its data in `data`; its folder is this user's alone.

    Raises:
        ConfigError: there is no safe folder for it, or its path would be too long.
    """
    digest = hashlib.sha256(os.fsencode(os.path.realpath(data))).hexdigest()[:8]
    name = f"service-{digest}.sock"
    path = runtime_directory() / name
    if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        path = _in_temporary() / name
    if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        raise ConfigError(
            f"the socket's path {path} is longer than {MAX_SOCKET_BYTES} bytes",
            hint="set TMPDIR or XDG_RUNTIME_DIR to a short path, such as /tmp",
        )
    return path


def is_ours_alone(folder: Path) -> bool:
    """Whether this is a real folder, no link to one, that only this user can use."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_private = found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
    return stat.S_ISDIR(found.st_mode) and is_private


def make_private(path: Path) -> None:
    """Creates a folder and those above it that are missing, for this user alone.

    Raises:
        OSError: one cannot be made.
    """
    # parents are made for this user alone too: mkdir(parents=True) would give them default modes
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def write_at_once(path: Path, content: bytes, *, mode: int) -> None:
    """Give a file all of its content in one step, or leave it as it was.

    Args:
        path: not a link; the folder is there.
        mode: the file's permissions, from its first moment on.

    Raises:
        OSError: it cannot be written.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(aside, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def _in_temporary() -> Path:
    """A folder in the shared temporary folder, where anybody could have been first."""
    try:
        shared = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no temporary folder that you can write to",
            hint="set XDG_RUNTIME_DIR to a folder of your own",
        ) from error
    return _ours_alone(Path(shared, f"kotta-{os.getuid()}"))


def _ours_alone(path: Path) -> Path:
    hint = "set XDG_RUNTIME_DIR to a folder of your own"
    try:
        make_private(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}", hint=hint) from error
    if not is_ours_alone(path):
        raise ConfigError(
            f"{path} is not a folder that only you can use, so no socket is put there",
            hint=f"remove it, or {hint}",
        )
    return path


def _is_usable(path: str) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return is_ours and os.access(path, os.W_OK | os.X_OK)
