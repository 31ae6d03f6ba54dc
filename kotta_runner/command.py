"""Starts what a job is about, a command line or a function's call, in a session of its own."""

from __future__ import annotations

import os

from kotta_runner import TYPE_CHECKING
from kotta_runner.attempt import Attempt
from kotta_runner.caller import MAX_MESSAGE_BYTES, Caller, Callers
from kotta_runner.isolation import kind_of
from kotta_runner.limits import limit
from kotta_runner.result import RESULT
from kotta_runner.spawning import spawn
from kotta_runner.staging import StagingError

if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_MEMORY_MIB = 1024
"""Of a launch that does not say how much it may have."""


class Started:
    """What was started.

    Attributes:
        pid: its process.
        caller: that process, if it may make other calls.
    """

    def __init__(self, pid: int, caller: Optional[Caller] = None) -> None:
        self.pid = pid
        self.caller = caller


def start(attempt: Attempt, launch: Dict[str, Any], callers: Callers) -> Started:
    """Starts it.

    Args:
        callers: make the calls of functions.

    Raises:
        StagingError: it cannot be started.
    """
    try:
        if is_of_callers(launch):
            return _call(attempt, launch, callers)
        return Started(_start_process(attempt, launch))
    except OSError as error:
        raise StagingError("the command cannot be started: %s" % error.strerror) from error


def is_of_callers(launch: Dict[str, Any]) -> bool:
    """Whether it is a call that is made by one of a runner's callers."""
    return launch.get("function") is not None and kind_of(launch) == "process"


def _start_process(attempt: Attempt, launch: Dict[str, Any]) -> int:
    environment = _environment(launch)
    if kind_of(launch) != "process":
        # imported here and below: a cluster's runners pay for what they import, each anew
        from kotta_runner import isolated

        return isolated.start(attempt, launch, environment, _Streams(attempt, launch))
    child = _start_shell(attempt, launch, environment)
    limit(child, launch)
    return child


def _environment(launch: Dict[str, Any]) -> Dict[str, str]:
    environment = {
        **_inherited(launch),
        **launch.get("environment", {}),
        "KOTTA_JOB_ID": launch["job_id"],
        "TURING_JOB_ID": launch["job_id"],
        "KOTTA_ATTEMPT": str(launch["attempt"]),
        "KOTTA_TAG": "%s/%d" % (launch["job_id"], launch["attempt"]),
    }
    if launch.get("requirements"):
        from kotta_runner.environment import environment_path, python_of

        path = environment_path(launch)
        environment["VIRTUAL_ENV"] = path
        environment["PATH"] = os.path.dirname(python_of(path)) + ":" + environment.get("PATH", "")
    return environment


def _inherited(launch: Dict[str, Any]) -> Dict[str, str]:
    """What a cluster tells the job in our environment, such as which GPUs are its."""
    if not launch.get("cluster"):
        return {}
    beginnings = tuple(launch["cluster"]["variables"])
    return {name: value for name, value in os.environ.items() if name.startswith(beginnings)}


class _Streams:
    """The files that take the job's standard output and standard error, opened."""

    def __init__(self, attempt: Attempt, launch: Dict[str, Any]) -> None:
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        stdout, stderr = attempt.streams(launch)
        self.stdout = os.open(stdout, flags, 0o600)
        self.stderr = self.stdout if stderr == stdout else os.open(stderr, flags, 0o600)

    def close(self) -> None:
        for descriptor in {self.stdout, self.stderr}:
            os.close(descriptor)


def _start_shell(attempt: Attempt, launch: Dict[str, Any], environment: Dict[str, str]) -> int:
    _Streams(attempt, launch).close()  # which makes them
    os.chdir(attempt.work)
    os.umask(0o022)
    try:
        shell = ["/bin/sh", "-c", launch["command"]]
        return spawn(shell, environment, *attempt.streams(launch))
    finally:
        os.umask(0o077)
        os.chdir("/")


def _call(attempt: Attempt, launch: Dict[str, Any], callers: Callers) -> Started:
    _Streams(attempt, launch).close()  # which makes them
    function, environment = launch["function"], _environment(launch)
    payload = function.get("payload") or ""
    is_small = 0 < len(payload) <= MAX_MESSAGE_BYTES
    stdout, stderr = attempt.streams(launch)
    wanted = {
        "tag": environment["KOTTA_TAG"],
        "work": attempt.work,
        "stdout": stdout,
        "stderr": stderr,
        "environment": environment,
        "python": function["python"],
        "payload": payload if is_small else "",
        "payload_path": "" if is_small else _payload_path(attempt, function),
        "result": attempt.path(RESULT),
        "most_memory_bytes": _keepable_bytes(launch),
    }
    caller = callers.take(attempt, launch, environment)
    caller.ask(wanted, attempt.path("call.json"))
    return Started(caller.pid, caller)


def _keepable_bytes(launch: Dict[str, Any]) -> int:
    """How much a process may have in memory and still make the next call: half of what that may
    have, and a quarter where it is held to it.
    """
    memory_mib: int = (launch.get("resources") or {}).get("memory_mib", _MEMORY_MIB)
    limit_bytes: Optional[int] = (launch.get("limits") or {}).get("memory_bytes")
    half = memory_mib << 19
    return half if limit_bytes is None else min(half, limit_bytes // 4)


def _payload_path(attempt: Attempt, function: Dict[str, Any]) -> str:
    """The file with a call's bytes; one is made if the launch holds them."""
    if function.get("payload"):
        import base64  # a script's runner has no use for it

        path = attempt.path("payload")
        with open(path, "wb") as file:
            file.write(base64.b64decode(function["payload"]))
        return path
    return function.get("payload_path") or os.path.join(attempt.work, function["payload_input"])
