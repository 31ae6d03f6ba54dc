"""A user of their own for the tests: home, settings, runtime directory, and a local service."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from waiting import wait_until

from cli.terminal import TerminalWindow
from kotta import JobDetail, JobState, Kotta
from kotta.errors import ConflictError
from kotta_cli.context import App
from kotta_cli.main import main
from kotta_cli.terminal import OutputStream, Terminal

KOTTA = str(Path(sys.executable).with_name("kotta"))


@dataclass(frozen=True)
class Result:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class User:
    """Somebody with a home of their own who types commands."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._to_cancel: list[str] = []
        (home / "run").mkdir(mode=0o700)
        self.environment = {
            "PATH": f"{Path(KOTTA).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".data"),
            "XDG_STATE_HOME": str(home / ".state"),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "TZ": "UTC",
            "PYTHONWARNINGS": "error",
            "KOTTA_SERVICE_GRACE_SECONDS": "1",
        }

    def kotta(self, *words: str, stdin: str | bytes = "", **environment: str) -> Result:
        """Run `kotta` in a pipe, to its end."""
        done = self.bytes_of(*words, stdin=stdin, **environment)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err, err
        return Result(done.returncode, out, err)

    def quick(self, *words: str, stdin: str = "", **environment: str) -> Result:
        """The same inside this process, in a tenth of the time.

        For variants of what other tests show of the real process.
        """
        page = Page(stdin=stdin)
        page.app.connect = lambda app: Kotta(profile=app.profile, server=app.server)
        before = os.getcwd()
        os.chdir(self.home)
        try:
            with patch.dict(os.environ, {**self.environment, **environment}, clear=True):
                code = main(list(words), page.app)
        finally:
            os.chdir(before)
        return Result(code, page.out, page.err)

    def bytes_of(
        self, *words: str, stdin: str | bytes = "", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """The same, undecoded."""
        return subprocess.run(
            [KOTTA, *words],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**self.environment, **environment},
            cwd=self.home,
            timeout=60,
        )

    def window(
        self, *words: str, columns: int = 80, rows: int = 40, **environment: str
    ) -> TerminalWindow:
        """Run `kotta` on a terminal."""
        return TerminalWindow(
            [KOTTA, *words],
            columns=columns,
            rows=rows,
            environment={**self.environment, **environment},
            cwd=self.home,
        )

    def describe(self, name: str = "job.json", **description: Any) -> str:
        """Write a description; the result is its file's name."""
        (self.home / name).write_text(json.dumps(description))
        return name

    # What a test only needs around the command that it is about goes through the library, which
    # takes milliseconds where a process takes a quarter of a second.

    @cached_property
    def client(self) -> Kotta:
        """The library on this user's local service, which runs from now on."""
        self.kotta("queues")
        return Kotta(server=self.kotta("service", "status", "--json").json["service"]["address"])

    def submit(self, **description: Any) -> str:
        """Submit a job; the result is its id."""
        return self.client.submit(description).id

    def done(self, **description: Any) -> str:
        """The same, once the job has ended."""
        job = self.client.submit(description)
        self.client.wait(job, timeout=30)
        return job.id

    def running(self, **description: Any) -> str:
        """The same, once its command runs; it is cancelled when the test is over."""
        job = self.submit(**description)
        self.until(job, JobState.PROCESSING)
        self._to_cancel.append(job)
        return job

    def until(self, job: str, state: JobState) -> JobDetail:
        """Wait until a job is in a state."""
        wait_until(
            lambda: self.client.status(job).status is state,
            timeout=20,
            what=lambda: self.client.status(job),
        )
        return self.client.status(job)

    def cancel_running(self) -> None:
        while self._to_cancel:
            with contextlib.suppress(ConflictError):
                self.client.cancel(self._to_cancel.pop())

    def leave(self) -> None:
        """Stop the service and remove the home."""
        if "client" in self.__dict__:
            self.client.close()
        if any((self.home / "run").rglob("*.sock")):
            self.kotta("service", "stop")
        shutil.rmtree(self.home, ignore_errors=True)


def _new_user() -> User:
    # Short, because a socket's path may have 107 bytes at most.
    return User(Path(tempfile.mkdtemp(prefix="kc-")))


@pytest.fixture(scope="session")
def only_user() -> Iterator[User]:
    user = _new_user()
    user.kotta("list")  # so that no test is told that its service was started
    yield user
    user.leave()


@pytest.fixture(scope="session")
def lasting(only_user: User) -> User:
    """The same user as `user`, for jobs that several tests look at."""
    return only_user


@pytest.fixture
def user(only_user: User) -> Iterator[User]:
    """One user for all tests that need nothing of their own; their jobs stay."""
    yield only_user
    only_user.cancel_running()


@pytest.fixture(scope="session")
def idle_user() -> Iterator[User]:
    """A user who never does what starts a service."""
    user = _new_user()
    yield user
    user.leave()


@pytest.fixture
def fresh_user() -> Iterator[User]:
    """A user who has done nothing yet."""
    user = _new_user()
    yield user
    user.leave()


class Page:
    """An app on strings, for what is drawn without any service."""

    def __init__(
        self, *, stdin: str = "", tty: bool = False, color: bool = False, unicode: bool = True
    ) -> None:
        self.stdout, self.stderr = (
            io.TextIOWrapper(io.BytesIO(), encoding="utf-8" if unicode else "ascii")
            for _ in range(2)
        )
        out, err = (
            Terminal(OutputStream(stream), tty, color, unicode, is_smart=tty)
            for stream in (self.stdout, self.stderr)
        )
        self.app = App(io.TextIOWrapper(io.BytesIO(stdin.encode())), out, err, self._refuse)

    @property
    def out(self) -> str:
        return self._text(self.stdout)

    @property
    def err(self) -> str:
        return self._text(self.stderr)

    def _text(self, stream: io.TextIOWrapper) -> str:
        stream.flush()
        raw = stream.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode()

    def _refuse(self, app: App) -> Any:
        raise AssertionError("this test has no service")
