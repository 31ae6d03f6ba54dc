"""A real PostgreSQL of the tests' own: in a folder, on a socket in it, ended by its pid."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from waiting import wait_until

NewDatabase = Callable[[], str]
"""Makes the `database` setting of a service with nothing in it."""
CONFIGURATION = """
listen_addresses = ''
max_connections = 100
shared_buffers = 64MB
"""
QUICK = """
fsync = off
full_page_writes = off
"""


def programs() -> Path | None:
    """Where initdb and postgres are, None if they are not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[4]))
    return folders[-1] if folders else None


class PostgresServer:
    """A server under test: start it, kill it, make databases in it.

    Args:
        syncs: commits outlive the machine's death as well as the server's.
    """

    def __init__(self, folder: Path, programs: Path, *, syncs: bool = False) -> None:
        self._folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        # it refuses to run as root
        self._account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        initdb = [programs / "initdb", "-D", folder / "data", "-U", "kotta", "--auth=trust"]
        locale = ["-E", "UTF8", "--locale=C.UTF-8"]
        self._run([*initdb, "--no-sync", *locale]).communicate()
        configuration = folder / "data" / "postgresql.conf"
        with configuration.open("a") as file:
            file.write(CONFIGURATION + ("" if syncs else QUICK))
            file.write(f"unix_socket_directories = '{folder}'\n")

    def start(self) -> None:
        """Starts it; returns once it takes connections."""

        def is_up() -> bool:
            # after a kill, what the killed one left behind may hold a new one up for a moment
            if self._process is None or self._process.poll() is not None:
                command = [self._programs / "postgres", "-D", self._folder / "data"]
                self._process = self._run(command)
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                return False
            return True

        wait_until(is_up, timeout=30, what=self.log)

    def kill(self) -> None:
        """kill -9 of the server; its processes notice, and end."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            # Source: postgres(1): SIGQUIT is the immediate shutdown
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"kotta_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # a language that sorts otherwise than by bytes is the harder case
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING UTF8 "
                "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
            )
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://kotta@/{database}?host={self._folder}"

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def _run(self, command: list[str | Path]) -> subprocess.Popen[bytes]:
        account = self._account
        ids = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with open(self._folder / "log", "ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **(ids if account else {}),
            )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that runs; skips where none is installed, which CI must not."""
    found = programs()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have PostgreSQL")
        pytest.skip("PostgreSQL is not installed")
    # short: a socket's path may have 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="kotta-pg-") as name:
        server = PostgresServer(Path(name), found)
        try:
            server.start()
            yield server
        finally:
            server.stop()
