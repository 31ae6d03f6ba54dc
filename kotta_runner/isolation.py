"""What keeps a job from others: an account of its own, or a view of the file system of its own.

The account is taken on in a child of the runner, which itself stays who it is: it has to hold the
lock, to end what the job left, and to keep what the job may not touch.
"""

from __future__ import annotations

import os
import sys

from kotta_runner import TYPE_CHECKING
from kotta_runner.process_tree import forbid_new_privileges

if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

_SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# what programs look up about the system: names, addresses, certificates; and no secrets
_SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
)


class Account:
    """A user of this machine that a job runs as."""

    def __init__(self, uid: int, gid: int, groups: Tuple[int, ...]) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups

    @property
    def owner(self) -> Tuple[int, int]:
        """What its files are given."""
        return self.uid, self.gid


def kind_of(launch: Dict[str, Any]) -> str:
    """`process`, `user` or `bubblewrap`."""
    return str((launch.get("isolation") or {}).get("kind", "process"))


def account_of(launch: Dict[str, Any]) -> Optional[Account]:
    """Whom the job runs as, None if as the runner itself."""
    if kind_of(launch) != "user":
        return None
    wanted = launch["isolation"]
    return Account(wanted["uid"], wanted["gid"], tuple(wanted["groups"]))


def become(account: Account) -> None:
    """Takes on an account for good: no program it starts gets more than that.

    Raises:
        PermissionError: this process may not, or it would still be root.
    """
    if account.uid == 0 or account.gid == 0:
        raise PermissionError("a job does not run as root")
    forbid_new_privileges()
    os.setgroups([group for group in account.groups if group != 0])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if os.getresuid() != (account.uid,) * 3 or os.getresgid() != (account.gid,) * 3:
        raise PermissionError("the account could not be taken on")


def in_sandbox(launch: Dict[str, Any], work: str, written: List[str], read: List[str]) -> List[str]:
    """The options by which bubblewrap gives a command a view of its own.

    It sees the system's programs, what its queue lists, and the working directory, which alone it
    can write to but for `written`; it sees no home, nothing of the service, and no other process.

    Args:
        written: further files that it may write to.
        read: further files and folders that it may read.
    """
    isolation = launch["isolation"]
    parts = ["--unshare-user", "--unshare-pid", "--unshare-ipc"]
    parts += ["--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]
    if not isolation["network"]:
        parts.append("--unshare-net")
    if os.geteuid() == 0:
        parts += ["--uid", "65534", "--gid", "65534"]
    parts += ["--ro-bind", "/usr", "/usr"]
    for folder in _SYSTEM_FOLDERS:
        if os.path.islink(folder):
            parts += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            parts += ["--ro-bind", folder, folder]
    for path in _SYSTEM_FILES:
        parts += ["--ro-bind-try", path, path]
    parts += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/var/tmp", "/run"):
        parts += ["--tmpfs", folder]
    for path in (*isolation["visible"], *read):
        parts += ["--ro-bind", path, path]
    for path in (work, *written):
        parts += ["--bind", path, path]
    return [*parts, "--chdir", work]


def environment_in_sandbox(environment: Dict[str, str]) -> int:
    """A descriptor of a file from which bubblewrap takes what the command's environment is.

    Bubblewrap itself must not have it: `LD_PRELOAD` in a job's description would run the job's code
    in a process that is outside yet. And an argument could be read by everybody.
    """
    words = ["--clearenv"]
    for name, value in environment.items():
        words += ["--setenv", name, value]
    descriptor = os.memfd_create("environment", 0)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(b"".join(os.fsencode(word) + b"\0" for word in words))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def python_places() -> List[str]:
    """Folders that a fresh Python of ours reads: its own, and those of what makes a call."""
    import cloudpickle

    places = {sys.prefix, sys.base_prefix, os.path.dirname(os.path.abspath(__file__))}
    places.add(os.path.dirname(os.path.abspath(cloudpickle.__file__)))
    places.add(os.path.dirname(os.path.realpath(sys.executable)))
    kept: List[str] = []
    for place in sorted(places):
        if not any(_is_within(place, above) for above in ("/usr", *kept)):
            kept.append(place)
    return kept


def _is_within(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")
