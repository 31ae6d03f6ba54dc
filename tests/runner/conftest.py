"""A real launcher, its runners on files of the test's own, and servers that misbehave on demand."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import signal
import socketserver
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until


class Attempts:
    """Launches attempts through a launcher, and looks at what they leave."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = 0
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.seen: list[dict[str, Any]] = []
        with (root / "launcher.log").open("ab") as log:
            self.launcher = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "kotta_runner.launcher"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                # which would hide what a stream holds back
                env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def describe(self, command: str, **changes: Any) -> dict[str, Any]:
        """A launch with every field; `changes` replaces some."""
        self._count += 1
        job = f"{os.getpid():x}{id(self):x}{self._count}"
        return {
            "job_id": job,
            "attempt": 1,
            "directory": str(self.root / "jobs" / f"{job}.1"),
            "command": command,
            "script": None,
            "inputs": [],
            "outputs": ["STDOUT.txt", "STDERR.txt"],
            "stdout": "STDOUT.txt",
            "stderr": "STDERR.txt",
            "environment": {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
            "walltime_seconds": 60.0,
            "grace_seconds": 0.5,
            "stage_out": {"directory": str(self.root / "outputs" / f"{job}.1")},
            "service": None,
            "a_field_of_the_future": 1,
            **changes,
        }

    def hand_over(self, launch: dict[str, Any]) -> None:
        assert self.launcher.stdin is not None
        text = json.dumps({"launch": launch}).encode()
        self.launcher.stdin.write(struct.pack(">I", len(text)) + text)
        self.launcher.stdin.flush()

    def start(self, command: str, **changes: Any) -> dict[str, Any]:
        """Hands a launch over, and waits until its command has been started."""
        launch = self.describe(command, **changes)
        self.hand_over(launch)
        wait_until(lambda: tagged(tag(launch)), what=self.log)
        return launch

    def run(self, command: str, **changes: Any) -> dict[str, Any]:
        """Runs a launch to its end and gives the exit record."""
        launch = self.describe(command, **changes)
        self.hand_over(launch)
        return self.record(launch)

    def record(self, launch: dict[str, Any], timeout: float = 15) -> dict[str, Any]:
        path = self.file(launch, "exit.json")
        wait_until(path.exists, timeout, what=self.log)
        wait_until(lambda: self.lock_is_free(launch))
        record: dict[str, Any] = json.loads(path.read_bytes())
        return record

    def told(self, kind: str, launch: dict[str, Any], count: int = 1) -> list[dict[str, Any]]:
        """What the launcher said of an attempt, once there are `count` messages of that kind."""

        def found() -> list[dict[str, Any]]:
            with contextlib.suppress(queue.Empty):
                while True:
                    self.seen.append(self._messages.get_nowait())
            mine = [one[kind] for one in self.seen if kind in one]
            mine = [one for one in mine if one["job_id"] == launch["job_id"]]
            return mine if len(mine) >= count else []

        return wait_until(found, what=lambda: (self.seen, self.log()))

    def pid(self, launch: dict[str, Any]) -> int:
        """The runner that holds the attempt."""
        text = wait_until(lambda: self.lock_text(launch), what=self.log)
        return int(text.split()[0])

    def cancel(self, launch: dict[str, Any]) -> None:
        """As the service does it: leaves word, and wakes the process that the lock names."""
        runner = self.pid(launch)
        self.file(launch, "cancel").touch()
        os.kill(runner, signal.SIGUSR1)

    def lock_text(self, launch: dict[str, Any]) -> str:
        with contextlib.suppress(FileNotFoundError):
            return self.file(launch, "lock").read_text()
        return ""

    def file(self, launch: dict[str, Any], name: str) -> Path:
        return Path(launch["directory"]) / name

    def output(self, launch: dict[str, Any] | dict[str, str], name: str) -> bytes:
        folder = self.root / "outputs" / f"{launch['job_id']}.1"
        return (folder / name).read_bytes()

    def lock_is_free(self, launch: dict[str, Any]) -> bool:
        command = ["flock", "--nonblock", str(self.file(launch, "lock")), "true"]
        return subprocess.run(command, check=False).returncode == 0

    def log(self) -> str:
        return (self.root / "launcher.log").read_text()

    def close(self) -> None:
        """Ends the launcher, and every runner and command a failed test has left."""
        assert self.launcher.stdin is not None
        assert self.launcher.stdout is not None
        with contextlib.suppress(OSError):
            self.launcher.stdin.close()
        self.launcher.wait(10)
        self._reader.join(10)
        for lock in self.root.glob("jobs/*/lock"):
            with contextlib.suppress(ValueError, IndexError, OSError):
                runner = int(lock.read_text().split()[0])
                command = Path(f"/proc/{runner}/cmdline").read_bytes()
                if b"kotta_runner" in command:
                    os.kill(runner, signal.SIGKILL)
            for process in tagged(lock.parent.name.replace(".", "/")):
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)

    def _read(self) -> None:
        assert self.launcher.stdout is not None
        with self.launcher.stdout as stream:
            while len(head := stream.read(4)) == 4:
                self._messages.put(json.loads(stream.read(struct.unpack(">I", head)[0])))


def tagged(tag: str) -> list[int]:
    """Live processes that carry a tag: found here anew, not by the code under test."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"KOTTA_TAG={tag}".encode() in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
    return found


def tag(launch: dict[str, Any]) -> str:
    return f"{launch['job_id']}/{launch['attempt']}"


@pytest.fixture
def attempts(tmp_path: Path) -> Iterator[Attempts]:
    some = Attempts(tmp_path)
    yield some
    some.close()
    assert "Traceback" not in some.log()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves paths whose names say how they behave; `url` gives their address."""

    daemon_threads = True
    body = b"a,b\n1,2\n"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.leave = threading.Event()
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is the subject of some tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.asked.append(name)
        body = self.server.body
        if name == "missing":
            self._answer(404)
        elif name == "loop":
            self._answer(302, Location="/loop")
        elif name == "moved":
            self._answer(302, Location="/good")
        elif name == "elsewhere":
            self._answer(302, Location="file:///nonexistent")
        elif name in ("cut", "silent"):
            self._answer(200, **{"Content-Length": str(len(body) + 10)})
            self.wfile.write(body)
            self.wfile.flush()
            if name == "silent":
                self.server.leave.wait(30)
        else:
            self._answer(200, **{"Content-Length": str(len(body))})
            self.wfile.write(body)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as some:
        thread = threading.Thread(target=some.serve_forever, args=(0.01,))
        thread.start()
        yield some
        some.leave.set()
        some.shutdown()
        thread.join()


class Receiver:
    """Takes reports on a Unix socket; answers as told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answer: Callable[[int], tuple[int, bytes]] = lambda _: (200, b'{"cancel": false}')
        self.reports: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self._server: socketserver.ThreadingUnixStreamServer | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def address_string(self) -> str:
                return "runner"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/api/v2/runner/reports"
                receiver.tokens.add(self.headers["Authorization"])
                receiver.reports.append(json.loads(body))
                status, text = receiver.answer(len(receiver.reports))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self._server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def phases(self) -> list[str]:
        return [report["phase"] for report in self.reports]

    def service(self) -> dict[str, str]:
        return {"address": f"unix:{self.path}", "token": "a-token"}


@pytest.fixture
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    some = Receiver(tmp_path_factory.mktemp("s") / "s")
    yield some
    some.close()


@pytest.fixture
def run_alone(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], subprocess.Popen[bytes]]]:
    """Starts `python -m kotta_runner`, a runner without a launcher."""
    started: list[subprocess.Popen[bytes]] = []

    def run(launch: dict[str, Any], **how: Any) -> subprocess.Popen[bytes]:
        path = tmp_path / f"launch-{len(started)}.json"
        path.write_text(json.dumps(launch))
        command = [sys.executable, "-W", "error", "-m", "kotta_runner", str(path)]
        started.append(subprocess.Popen(command, cwd="/", start_new_session=True, **how))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
