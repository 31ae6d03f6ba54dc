"""Starts a command under another account or in bubblewrap: by a fork that becomes it.

A function's call is made by a fresh Python here. A fork of the runner, as the plain way has it,
would carry in its memory what the runner was told: the job's token.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import sys
from typing import Any, Dict, List, NoReturn, Optional, Protocol

from kotta_runner.attempt import Attempt
from kotta_runner.environment import call_command, environment_path
from kotta_runner.isolation import (
    Account,
    account_of,
    become,
    environment_in_sandbox,
    in_sandbox,
    python_places,
)
from kotta_runner.limits import limit
from kotta_runner.result import RESULT
from kotta_runner.signals import plain_signals
from kotta_runner.staging import StagingError

_CALL = "import sys; from kotta_runner.call import main; sys.exit(main())"


class Streams(Protocol):
    """The opened files that take standard output and standard error."""

    stdout: int
    stderr: int

    def close(self) -> None: ...


def start(
    attempt: Attempt, launch: Dict[str, Any], environment: Dict[str, str], streams: Streams
) -> int:
    """Starts it; its process id.

    Raises:
        StagingError: it cannot be started; with the reason.
        OSError: what it needs could not be made.
    """
    account = account_of(launch)
    try:
        command = _command(attempt, launch, account)
        if account is not None:
            for descriptor in {streams.stdout, streams.stderr}:
                # so that a job may open /dev/stdout, as scripts do
                os.fchown(descriptor, *account.owner)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _become_command(attempt, launch, account, command, environment, streams, writer)
    finally:
        streams.close()
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        # closed by the start of the command, unless that failed
        words = pipe.read().decode("utf-8", "replace")
    if words:
        raise StagingError("the command cannot be started: %s" % words)
    return child


def _command(attempt: Attempt, launch: Dict[str, Any], account: Optional[Account]) -> List[str]:
    written: List[str] = []
    read: List[str] = []
    if launch.get("function"):
        payload = _kept_payload(attempt, launch["function"], account)
        result = attempt.path(RESULT)
        for path in (result + ".json", result + ".bin"):
            # made here, as the folder is not the job's to make files in
            _made(path, b"", account)
            written.append(path)
        if launch.get("requirements"):
            command = call_command(environment_path(launch), payload, result)
        else:
            version = launch["function"]["python"]
            command = [sys.executable, "-c", _CALL, payload, result, version]
        if not payload.startswith(attempt.work + "/"):
            read.append(payload)
        read += python_places() if account is None else []
    else:
        command = ["/bin/sh", "-c", launch["command"]]
    if account is None:
        options = in_sandbox(launch, attempt.work, written, read)
        return [launch["isolation"]["program"], *options, "--", *command]
    return command


def _kept_payload(attempt: Attempt, function: Dict[str, Any], account: Optional[Account]) -> str:
    """A file that holds the call and that the job can read."""
    if function.get("payload"):
        content = base64.b64decode(function["payload"])
    elif function.get("payload_path"):
        with open(function["payload_path"], "rb") as file:
            content = file.read()
    else:
        # an input: what the job may have put in its place is for the job itself to open
        return os.path.join(attempt.work, function["payload_input"])
    path = attempt.path("payload")
    _made(path, content, account)
    return path


def _made(path: str, content: bytes, account: Optional[Account]) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of a runner that was ended before the start
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if account is not None:
            os.fchown(descriptor, *account.owner)
        file.write(content)


def _become_command(
    attempt: Attempt,
    launch: Dict[str, Any],
    account: Optional[Account],
    command: List[str],
    environment: Dict[str, str],
    streams: Streams,
    writer: int,
) -> NoReturn:
    try:
        plain_signals()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            # Python ignores these, and what is ignored stays so across exec
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(streams.stdout, 1)
        os.dup2(streams.stderr, 2)
        os.umask(0o022)
        limit(0, launch)
        if account is not None:
            become(account)
            os.chdir(attempt.work)
        else:
            descriptor = environment_in_sandbox(environment)
            command = [command[0], "--args", str(descriptor), *command[1:]]
            # how what a lost runner leaves is recognised
            environment = {"KOTTA_TAG": environment["KOTTA_TAG"]}
            os.chdir("/")
        os.execve(command[0], command, environment)
    except BaseException as error:
        os.write(writer, str(error).encode()[:1024])
    finally:
        os._exit(126)
