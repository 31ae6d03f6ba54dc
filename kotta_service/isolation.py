"""How the jobs of a queue are kept from others: what this machine can do, and what a launch says.

The runner carries it out; see docs/isolation.md.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kotta.errors import FieldProblem, RequestError
from kotta.models import JobDescription
from kotta.models.problems import pointer
from kotta_service.settings import QueueSettings, Settings

FIRST_UID = 1000
"""Accounts below are the system's own. Source: UID_MIN in login.defs(5)."""
_TRIAL_SECONDS = 10


class NoAccountError(RequestError):
    """There is no account of this machine that a job can run as."""


def problems(settings: Settings, data: Path | None = None) -> list[str]:
    """What keeps this machine from isolating jobs as its queues want it, in sentences; or nothing.

    Args:
        data: the service's data directory; None: it is not looked at.
    """
    found = []
    for name, queue in settings.queues.items():
        found += [f"queue `{name}`: {words}" for words in _queue_problems(settings, queue, data)]
    return found


def runs_jobs_as_root(settings: Settings) -> bool:
    """Whether jobs of some queue would be root's: the service is, and they take no account."""
    return os.geteuid() == 0 and any(
        queue.isolation != "user" for queue in settings.queues.values()
    )


def submit_problems(
    settings: Settings, owner: str, jobs: Sequence[tuple[int, JobDescription]]
) -> list[FieldProblem]:
    """What cannot be run in its queue for the way that isolates it.

    Args:
        jobs: descriptions, each with its place in the submit request.
    """
    found = []
    for place, description in jobs:
        queue = settings.queues[description.queue]
        where = pointer("jobs", place, "queue")
        if queue.isolation == "user":
            try:
                account(queue, owner)
            except NoAccountError as error:
                found.append(FieldProblem(where, f"cannot be used: {error.message}", error.hint))
        if description.requirements and queue.isolation == "bubblewrap":
            found.append(
                FieldProblem(
                    pointer("jobs", place, "requirements"),
                    f"cannot be installed for queue `{description.queue}`, whose jobs see nothing "
                    "but the system's programs",
                    "use another queue, or bring the packages as inputs",
                )
            )
        needs_python = description.function is not None or bool(description.requirements)
        needs_ours = needs_python and queue.is_counted  # nodes of a cluster have their own
        if queue.isolation == "user" and needs_ours and (closed := _closed_to_others(_python())):
            found.append(
                FieldProblem(
                    where,
                    f"cannot run Python: its accounts may not enter {closed}",
                    "the administrator has to install Kotta where every account can read it",
                )
            )
    return found


def prepare(settings: Settings, data: Path) -> None:
    """Lets the accounts of jobs pass through the data directory, which they cannot list."""
    takers = [queue for queue in settings.queues.values() if queue.isolation == "user"]
    passed = [data] if any(_place(settings, queue, data) == data for queue in takers) else []
    passed += [data / "jobs"] if any(queue.is_counted for queue in takers) else []
    for folder in passed:
        folder.mkdir(mode=0o711, exist_ok=True)
        folder.chmod(0o711)


def of_launch(queue: QueueSettings, owner: str) -> dict[str, Any]:
    """What a launch tells its runner about isolation.

    Raises:
        NoAccountError: the account is not there (any more).
    """
    if queue.isolation == "user":
        entry = account(queue, owner)
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
        return {"kind": "user", "uid": entry.pw_uid, "gid": entry.pw_gid, "groups": groups}
    if queue.isolation == "bubblewrap":
        program = shutil.which("bwrap") or "/usr/bin/bwrap"
        return {
            "kind": "bubblewrap",
            "program": program,
            "network": queue.network,
            "visible": queue.visible,
        }
    return {"kind": "process"}


def environment(queue: QueueSettings, owner: str) -> dict[str, str]:
    """Variables of a job's environment that differ from the service's own."""
    if queue.isolation == "user":
        entry = account(queue, owner)
        return {
            "HOME": entry.pw_dir,
            "LOGNAME": entry.pw_name,
            "SHELL": "/bin/sh",
            "TMPDIR": "/tmp",
            "USER": entry.pw_name,
        }
    if queue.isolation == "bubblewrap":
        return {"HOME": "/tmp", "TMPDIR": "/tmp"}
    return {}


def account(queue: QueueSettings, owner: str) -> pwd.struct_passwd:
    """The account that an owner's jobs run as.

    Raises:
        NoAccountError: there is none, or it is not one for jobs.
    """
    name = queue.run_as.replace("{owner}", owner)
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):  # ValueError: a NUL in it
        raise NoAccountError(
            f"there is no account `{name}` on this machine",
            hint="ask the administrator for one, or use another queue",
        ) from None
    is_own = "{owner}" in queue.run_as
    if entry.pw_uid == 0 or entry.pw_gid == 0 or (is_own and entry.pw_uid < FIRST_UID):
        raise NoAccountError(
            f"account `{name}` is one of the system's own",
            hint="ask the administrator for another, or use another queue",
        )
    return entry


def _queue_problems(settings: Settings, queue: QueueSettings, data: Path | None) -> Iterator[str]:
    if queue.isolation == "user" and queue.executor == "parsl":
        yield (
            'isolation = "user" needs executor = "local" or "slurm": a block of nodes is one '
            "account's, whoever's calls it makes"
        )
        return
    if queue.isolation != "bubblewrap" and (not queue.network or queue.visible):
        yield '`network` and `visible` need isolation = "bubblewrap"'
    if queue.isolation != "user" and queue.run_as != "{owner}":
        yield '`run_as` needs isolation = "user"'
    needs_linux = queue.isolation != "process" or queue.enforce_memory or queue.max_processes
    if needs_linux and sys.platform != "linux":
        yield "isolation and limits on memory and processes need Linux"
    elif queue.isolation == "user":
        yield from _user_problems(queue, _place(settings, queue, data))
    elif queue.isolation == "bubblewrap":
        yield from _bubblewrap_problems(queue)


def _place(settings: Settings, queue: QueueSettings, data: Path | None) -> Path | None:
    """The folder below which the accounts of a queue have directories of their own."""
    return (settings.slurm.folder or data) if queue.executor == "slurm" else data


def _user_problems(queue: QueueSettings, place: Path | None) -> Iterator[str]:
    if os.geteuid() != 0:
        yield 'isolation = "user" needs a service that is started as root'
    if place is not None and (closed := _closed_to_others(place.parent)):
        what = "the shared folder" if queue.executor == "slurm" else "the data directory"
        yield f"the accounts of jobs cannot enter {closed}, above {what}: chmod o+x it"
    if "{owner}" not in queue.run_as:
        try:
            account(queue, "")
        except NoAccountError as error:
            yield f"run_as: {error.message}"


def _bubblewrap_problems(queue: QueueSettings) -> Iterator[str]:
    for path in queue.visible:
        if not Path(path).exists():
            yield f"visible: there is no {path}"
    program = shutil.which("bwrap")
    if program is None:
        yield 'isolation = "bubblewrap" needs `bwrap`: install bubblewrap'
        return
    # a kernel may have user namespaces, and not let this user make one: only a trial tells
    trial = [program, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    trial += [] if queue.network else ["--unshare-net"]
    trial += ["--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    try:
        done = subprocess.run(
            [*trial, "--", "/bin/true"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield f"`bwrap` cannot be run: {error}"
        return
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        yield f"`bwrap` does not work here: {words[-1] if words else done.returncode}"


def _closed_to_others(path: Path) -> Path | None:
    """The first folder on the way to a path that other accounts cannot enter."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def _python() -> Path:
    return Path(os.path.realpath(sys.executable))
