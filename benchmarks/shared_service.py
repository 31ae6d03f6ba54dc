"""How many submissions a shared service takes in a second, while others hold sockets open.

    python benchmarks/shared_service.py [--json] [--seconds 10] [--connections 32] [--slow 200]

A user with a token submits one job a request, each under an idempotency key, over so many
connections; none of the jobs starts, for their queue is full. Meanwhile slow clients keep their
sockets: a third never ends its headers, a third drips a body, a third takes no byte of the answers
it asked for. Prints submissions a second and the times that they took, without and with the slow.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

SETTINGS = """
[queues.Test]
cpus = 1
memory_mib = 1024
"""
_PORT = re.compile(rb'"port": (\d+)')
BLOCKER = {"executable": "sleep 3600", "cpus": 1}
JOB = json.dumps({"jobs": [{"executable": "true", "jobname": "bench"}]}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--slow", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kb-") as home, _service(Path(home)) as running:
        figures = asyncio.run(_measure(*running, options))
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<52} {figure:>10.1f}")


@contextmanager
def _service(home: Path) -> Iterator[tuple[psutil.Process, int, str]]:
    """A shared service whose queue is full, its port, and a token of a user."""
    settings = home / "service.toml"
    settings.write_text(SETTINGS)
    socket = home / "s.sock"
    command = [sys.executable, "-m", "kotta_cli", "serve"]
    command += ["--settings", str(settings), "--port", "0"]
    command += ["--socket", str(socket), "--data", str(home / "data")]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "KOTTA_SERVICE_SERVE_RUN_JOBS_AS_ROOT": "true",
    }
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    operator = httpx.Client(
        transport=httpx.HTTPTransport(uds=str(socket), verify=False),
        base_url="http://kotta/api/v2",
        timeout=30,
    )
    try:
        while (serving := _PORT.search(told := (home / "log").read_bytes())) is None:
            if process.poll() is not None:
                raise SystemExit(told.decode())
            time.sleep(0.05)
        port = int(serving[1])
        invited = operator.post("/users", json={"name": "ada", "email": "ada@example.org"})
        invited.raise_for_status()
        blocker = operator.post("/jobs", json={"jobs": [BLOCKER]}).json()["jobs"][0]["id"]
        while operator.get(f"/jobs/{blocker}").json()["status"] != "processing":
            time.sleep(0.05)
        yield psutil.Process(process.pid), port, _token(home / "data", f"http://127.0.0.1:{port}")
        # killed first: what waits must not start when the queue has room again
        process.kill()
        process.wait()
        _end_blocker(home)
    finally:
        operator.close()
        process.kill()
        process.wait()


def _end_blocker(home: Path) -> None:
    """Ends what runs in a directory of a job, and waits until its runner has written that down."""
    for found in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if home in Path(found.cwd()).parents:
                found.terminate()
    deadline = time.monotonic() + 10
    while not list((home / "data/jobs").glob("*/*/exit.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)  # it removes what the job has left


def _token(data: Path, url: str) -> str:
    """An access token of a login, such as a terminal has."""
    from kotta_service.accounts.keys import TokenKeys
    from kotta_service.accounts.logins import Logins
    from kotta_service.store.database import Database

    database = Database(data / "kotta.db")
    database.start()
    logins = Logins(TokenKeys(data / "token-keys.json", url))
    try:
        made = database.write(
            lambda tx: logins.begin(tx, "ada", label="benchmark", scopes=("read", "write"))
        )
        return made.result().access_token
    finally:
        database.close()


async def _measure(
    service: psutil.Process, port: int, token: str, options: Any
) -> dict[str, float]:
    used = _cpu_seconds(service)
    alone = await _submit_all(port, token, options.connections, options.seconds)
    used = _cpu_seconds(service) - used
    slow = [asyncio.create_task(_hold(port, token, kind)) for kind in range(options.slow)]
    await asyncio.sleep(2)
    beside = await _submit_all(port, token, options.connections, options.seconds)
    held = sum(not task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    words = f"{options.connections} connections"
    return {
        **{f"{words}: {name}": figure for name, figure in alone.items()},
        **{f"{words}, {options.slow} slow: {name}": figure for name, figure in beside.items()},
        "CPU of the service for a submit, ms": used * 1000 / alone["submits"],
        "sockets still held at the end": held,
    }


async def _submit_all(port: int, token: str, connections: int, seconds: float) -> dict[str, float]:
    took: list[float] = []
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    await asyncio.gather(*(_submit(port, token, until, took) for _ in range(connections)))
    lasted = time.perf_counter() - began
    took.sort()
    return {
        "submits": len(took),
        "submits/s": len(took) / lasted,
        "median, ms": took[len(took) // 2] * 1000,
        "p99, ms": took[int(len(took) * 0.99)] * 1000,
        "longest, ms": took[-1] * 1000,
    }


async def _submit(port: int, token: str, until: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = _head("POST /api/v2/jobs", token) + b"Content-Type: application/json\r\n"
    head += b"Content-Length: %d\r\nIdempotency-Key: " % len(JOB)
    while (began := time.perf_counter()) < until:
        writer.write(head + uuid.uuid4().hex.encode() + b"\r\n\r\n" + JOB)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
        body = await reader.readexactly(int(length))
        if not answer.startswith(b"HTTP/1.1 201"):
            raise SystemExit((answer + body).decode())
        took.append(time.perf_counter() - began)
    writer.close()


async def _hold(port: int, token: str, kind: int) -> None:
    """Holds a socket open for as long as the service bears it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    with contextlib.suppress(ConnectionError):
        if kind % 3 == 2:
            reader.feed_data(b"x" * 4096)  # above its limit: asyncio stops to read
            writer.write((_head("GET /api/v2/openapi.json", token) + b"\r\n") * 50)
            await asyncio.sleep(3600)
        start = _head("POST /api/v2/jobs", token) + b"Content-Type: application/json\r\n"
        if kind % 3 == 1:
            start += b"Content-Length: 100000\r\n\r\n"
        writer.write(start)
        while not reader.at_eof():
            await asyncio.sleep(1)
            writer.write(b" " if kind % 3 == 1 else b"X")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.001)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _head(line: str, token: str) -> bytes:
    return f"{line} HTTP/1.1\r\nHost: kotta\r\nAuthorization: Bearer {token}\r\n".encode()


if __name__ == "__main__":
    main()
