"""This user's folders, and the path of the local service's socket. Makes folders, nothing else."""

from __future__ import annotations

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
    try:
        _make_private(path)
    except OSError as error:
        raise ConfigError(
            f"Kotta keeps its data in {path}, which cannot be made: {error.strerror}",
            hint="set XDG_DATA_HOME to a folder that you can write to",
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(
            f"Kotta keeps its data in {path}, which you cannot write to",
            hint="set XDG_DATA_HOME to a folder that you can write to",
        )
    return path


def socket_path(data: Path) -> Path:
    """The socket of the service that keeps its data in `data`; its folder is this user's alone.

    Raises:
        ConfigError: there is no safe folder for it, or its path would be too long.
    """
    digest = hashlib.sha256(os.fsencode(os.path.realpath(data))).hexdigest()[:8]
    name = f"service-{digest}.sock"
    path = _runtime_directory() / name
    if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        path = _private_in_tmp() / name
    if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        raise ConfigError(
            f"the socket's path {path} is longer than {MAX_SOCKET_BYTES} bytes",
            hint="set TMPDIR or XDG_RUNTIME_DIR to a short path, such as /tmp",
        )
    return path


def _runtime_directory() -> Path:
    wanted = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(wanted) and _is_ours(wanted) and os.access(wanted, os.W_OK | os.X_OK):
        path = Path(wanted, "kotta")
        _make_private(path)
        return path
    return _private_in_tmp()


def _private_in_tmp() -> Path:
    """A folder in the shared temporary folder, where anybody could have been first."""
    path = Path(tempfile.gettempdir(), f"kotta-{os.getuid()}")
    try:
        _make_private(path)
        found = path.lstat()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be made: {error.strerror}",
            hint="set XDG_RUNTIME_DIR to a folder of your own",
        ) from error
    is_private = found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
    if not stat.S_ISDIR(found.st_mode) or not is_private:
        raise ConfigError(
            f"{path} is not a folder that only you can use, so no socket is put there",
            hint="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
        )
    return path


def _is_ours(path: str) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _make_private(path: Path) -> None:
    # parents are made for this user alone too: mkdir(parents=True) would give them default modes
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
