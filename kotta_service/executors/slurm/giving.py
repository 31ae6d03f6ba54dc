"""What the account of a job gets for it: a launch without what it must not have, and its inputs.

Its runner is that account from the beginning. So the inputs that the service keeps are given to it
as further names, in its own directory, of files that lie where it can reach nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from typing import Any

from kotta_service.storage.taking import GIVEN, OUTPUTS

_MODE = 0o644
_CHUNK_BYTES = 8 << 20
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)


@dataclass(frozen=True)
class Account:
    """Whom a job is submitted as, by numbers that mean the same on all nodes."""

    uid: int
    gid: int


def account_of(launch: dict[str, Any]) -> Account | None:
    """Whose job a launch is to be; None: the service's own."""
    isolation = launch.get("isolation") or {}
    if isolation.get("kind") != "user":
        return None
    return Account(isolation["uid"], isolation["gid"])


def given(launch: dict[str, Any], folder: int, environments: str) -> dict[str, Any]:
    """The launch as a runner of an account's has it; what it is to read is put beside it.

    Args:
        folder: the attempt's directory, open.
        environments: where the account keeps its Python environments.
    """
    directory: str = launch["directory"]
    inputs = []
    for number, wanted in enumerate(launch["inputs"]):
        if "path" in wanted:
            name = f"{GIVEN}{number}"
            _give(wanted["path"], folder, name)
            wanted = {**wanted, "path": f"{directory}/{name}"}
        inputs.append(wanted)
    function = launch["function"]
    if function and function.get("payload_path"):
        name = f"{GIVEN}call"
        _give(function["payload_path"], folder, name)
        function = {**function, "payload_path": f"{directory}/{name}"}
    is_direct = "directory" not in launch["stage_out"]
    out = {"directory": f"{directory}/{OUTPUTS}", "on_disk": directory}
    return {
        **launch,
        "inputs": inputs,
        "function": function,
        "environments": environments,
        "isolation": {"kind": "process", "no_new_privileges": True},
        "on_disk": directory,
        "stage_out": launch["stage_out"] if is_direct else out,
        # without files in S3 there is nothing that it has to ask for: it needs no token
        "service": launch["service"] if is_direct else None,
    }


def _give(source: str, folder: int, name: str) -> None:
    """Puts another name of a file of ours into a folder; a copy, if it cannot have one there.

    A file that is gone is for the runner to miss, which knows its name.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    try:
        # whoever has no name of it within reach can read it as little as before
        os.chmod(source, _MODE)
        os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(source, folder, name)


def _copy(source: str, folder: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    copy = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        with open(source, "rb", buffering=0) as file:
            while os.sendfile(copy, file.fileno(), None, _CHUNK_BYTES):
                pass
        os.fchmod(copy, _MODE)
    finally:
        os.close(copy)
