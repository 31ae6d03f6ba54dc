"""Python environments for `requirements`: each made once, under a lock, and kept while used."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from typing import Any, Dict, List

from kotta_runner.staging import StagingError

COMPLETE = "complete"
"""What an environment has once all of it is there."""
SUPPORT = "kotta-support-2"
"""Below an environment, what of ours makes calls there; another name where that has changed, as
environments stay when Kotta is updated."""
WORDS = 12
"""How many of the installer's last lines are told when it fails."""


def environment_path(launch: Dict[str, Any]) -> str:
    """Where the environment for this launch's requirements is, or will be."""
    key = "\n".join((launch["requirements"], sys.version, sysconfig.get_platform()))
    return os.path.join(launch["environments"], hashlib.sha256(key.encode()).hexdigest()[:24])


def make_place(launch: Dict[str, Any], uid: int, gid: int) -> None:
    """Makes the folder that an account keeps its environments in, which is that account's."""
    os.makedirs(launch["environments"], mode=0o700, exist_ok=True)
    os.chmod(os.path.dirname(launch["environments"]), 0o711)
    os.chown(launch["environments"], uid, gid, follow_symlinks=False)


def use(launch: Dict[str, Any]) -> bool:
    """Notes that the environment is used, if it is there and nobody has to be waited for."""
    path = environment_path(launch)
    try:
        lock = os.open(path + ".lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if not os.path.exists(os.path.join(path, SUPPORT)):
            return False
        os.utime(os.path.join(path, COMPLETE))
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def ensure(launch: Dict[str, Any]) -> None:
    """Makes the environment unless it is there; others who want the same one wait for it.

    When it was last used is what its marker was changed: the service removes what has long not
    been, under the same lock.

    Raises:
        StagingError: a requirement could not be installed; with the installer's own words.
    """
    path = environment_path(launch)
    complete, support = os.path.join(path, COMPLETE), os.path.join(path, SUPPORT)
    os.makedirs(launch["environments"], mode=0o700, exist_ok=True)
    lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not (os.path.exists(complete) and os.path.exists(support)):
            # two who have it together could not both have it alone, where it is a lock of NFS's
            fcntl.flock(lock, fcntl.LOCK_UN)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(complete):
            shutil.rmtree(path, ignore_errors=True)  # of somebody who was ended while at it
            # by the tag is found what goes on if a runner is killed
            tag = "%s/%d" % (launch["job_id"], launch["attempt"])
            _make(path, launch["requirements"], {**launch["environment"], "KOTTA_TAG": tag})
            os.close(os.open(complete, os.O_CREAT | os.O_WRONLY, 0o600))
        if not os.path.exists(support):
            _add_support(support)
        os.utime(complete)
    finally:
        os.close(lock)


def python_of(path: str) -> str:
    return os.path.join(path, "bin", "python")


def call_command(path: str, payload: str, result: str) -> List[str]:
    """The command by which an environment's Python makes a function's call."""
    return [*_running(path, "call"), payload, result]


def caller_command(path: str, runner: int, messages: int) -> List[str]:
    """The command by which it makes one call after another, of those that come by a descriptor."""
    return [*_running(path, "calling"), str(runner), str(messages)]


def _running(path: str, module: str) -> List[str]:
    # what it needs of ours lies in a folder of copies: were our whole site-packages on its path, it
    # would see packages that nobody asked for
    code = "import sys; sys.path.append(%r); from kotta_runner.%s import main; sys.exit(main())"
    return [python_of(path), "-c", code % (os.path.join(path, SUPPORT), module)]


def _make(path: str, requirements: str, environment: Dict[str, str]) -> None:
    listed = path + ".txt"
    with open(listed, "w", encoding="utf-8") as file:
        file.write(requirements + "\n")
    uv = shutil.which("uv", path=environment.get("PATH"))
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, path], environment)
        _run([uv, "pip", "install", "--python", python_of(path), "-r", listed], environment)
    else:
        _run([sys.executable, "-m", "venv", path], environment)
        pip = [python_of(path), "-m", "pip", "install", "--disable-pip-version-check", "-r", listed]
        _run(pip, environment)


def _add_support(support: str) -> None:
    aside = support + ".new"
    shutil.rmtree(aside, ignore_errors=True)
    for name in ("kotta_runner", "cloudpickle"):
        _copy_package(name, aside)
    os.rename(aside, support)


def _copy_package(name: str, support: str) -> None:
    source = os.path.dirname(__import__(name).__file__ or "")
    if os.path.isdir(source):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, os.path.join(support, name), ignore=ignore)
        return
    import zipfile  # what runs is a zipapp

    with zipfile.ZipFile(os.path.dirname(source)) as archive:
        for each in archive.namelist():
            if each.startswith(name + "/") and each.endswith(".py"):
                archive.extract(each, support)


def _run(command: List[str], environment: Dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise StagingError("the environment cannot be made: %s" % error) from error
    if done.returncode != 0:
        words = done.stdout.decode("utf-8", "replace").strip().splitlines()[-WORDS:]
        raise StagingError("the requirements cannot be installed:\n" + "\n".join(words))
