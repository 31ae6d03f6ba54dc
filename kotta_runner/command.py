"""Starts what a job is about, a command line or a function's call, in a session of its own."""

from __future__ import annotations

import base64
import os
import signal
import sys
from typing import Any, Dict, List, NoReturn, Optional

from kotta_runner.attempt import Attempt
from kotta_runner.isolation import kind_of
from kotta_runner.limits import limit
from kotta_runner.process_tree import end_with_parent
from kotta_runner.result import RESULT
from kotta_runner.signals import plain_signals
from kotta_runner.staging import StagingError


def start(attempt: Attempt, launch: Dict[str, Any]) -> int:
    """Starts it; its process id.

    Raises:
        StagingError: it cannot be started.
    """
    function = launch.get("function")
    environment = _environment(launch)
    try:
        if kind_of(launch) != "process":
            # imported here and below: a cluster's runners pay for what they import, each anew
            from kotta_runner import isolated

            return isolated.start(attempt, launch, environment, _Streams(attempt, launch))
        if function is None:
            child = _spawn(attempt, launch, ["/bin/sh", "-c", launch["command"]], environment)
        elif not launch.get("requirements"):
            child = _fork_call(attempt, launch, function, environment)
        else:
            from kotta_runner.environment import call_command, environment_path

            payload = function.get("payload_path") or attempt.path("payload")
            if not function.get("payload_path"):
                with open(payload, "wb") as file:
                    file.write(_payload(attempt, function))
            command = call_command(environment_path(launch), payload, attempt.path(RESULT))
            child = _spawn(attempt, launch, command, environment)
    except OSError as error:
        raise StagingError("the command cannot be started: %s" % error.strerror) from error
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
        self.stdout = os.open(attempt.path("stdout"), flags, 0o600)
        self.stderr = self.stdout
        if launch["stdout"] != launch["stderr"]:
            self.stderr = os.open(attempt.path("stderr"), flags, 0o600)

    def close(self) -> None:
        for descriptor in {self.stdout, self.stderr}:
            os.close(descriptor)


def _spawn(
    attempt: Attempt, launch: Dict[str, Any], command: List[str], environment: Dict[str, str]
) -> int:
    streams = _Streams(attempt, launch)
    os.chdir(attempt.work)
    os.umask(0o022)
    try:
        return os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, streams.stdout, 1),
                (os.POSIX_SPAWN_DUP2, streams.stderr, 2),
            ],
            setsid=True,
            # Python ignores these, and what is ignored stays so across exec
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
    finally:
        os.umask(0o077)
        os.chdir("/")
        streams.close()


def _fork_call(
    attempt: Attempt, launch: Dict[str, Any], function: Dict[str, Any], environment: Dict[str, str]
) -> int:
    # the launcher has it loaded; a child that had to load it would pay for it each time
    from kotta_runner import call

    streams = _Streams(attempt, launch)
    runner = os.getpid()
    child = os.fork()
    if child == 0:
        # it could not be recognised by its environment, which is the launcher's, if we were lost
        end_with_parent(runner)
        _make_call(call, attempt, function, environment, streams)
    streams.close()
    return child


def _make_call(
    call: Any,
    attempt: Attempt,
    function: Dict[str, Any],
    environment: Dict[str, str],
    streams: _Streams,
) -> NoReturn:
    code: Optional[int] = None
    try:
        plain_signals()
        os.setsid()
        attempt.forget()  # else what the call leaves behind would seem to be a runner at work
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(streams.stdout, 1)
        os.dup2(streams.stderr, 2)
        os.chdir(attempt.work)
        os.umask(0o022)
        call.become_caller(environment)
        result = attempt.path(RESULT)
        if function["python"] != "%d.%d" % sys.version_info[:2]:
            call.leave_version_error(result, function["python"])
            code = 1
        else:
            code = call.call(_payload(attempt, function), result)
        call.finish()
    finally:
        os._exit(1 if code is None else code)


def _payload(attempt: Attempt, function: Dict[str, Any]) -> bytes:
    if function.get("payload"):
        return base64.b64decode(function["payload"])
    path = function.get("payload_path") or os.path.join(attempt.work, function["payload_input"])
    with open(path, "rb") as file:
        return file.read()
