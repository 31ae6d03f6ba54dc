"""A real service in a process of its own, on files of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from waiting import wait_until

NewParts = Callable[[Path], dict[str, str]]
"""Makes the environment of a service with nothing in it yet, given its home: what keeps its jobs
and its files, and what runs its jobs, as the tests' options say."""
TERMINAL = ("completed", "failed", "cancelled")


class RunningService:
    """A service under test: start, stop, kill it, and talk to it over its socket."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.data = home / "data"
        self.socket = home / "s.sock"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket), verify=False),
            base_url="http://kotta/api/v2",
            timeout=30,
            trust_env=False,
        )

    def start(self) -> None:
        reader, writer = os.pipe()
        command = [sys.executable, "-W", "error", "-m", "kotta_service", "--local"]
        with open(self.home / "service.log", "ab") as log:
            self.process = subprocess.Popen(
                [*command, "--socket", self.socket, "--data", self.data, "--ready-fd", str(writer)],
                env=self.environment,
                pass_fds=(writer,),
                stdout=log,
                stderr=log,
            )
        os.close(writer)
        with os.fdopen(reader) as ready:
            line = ready.readline()
        assert '"ready": true' in line, line + self.log()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def cancel_all(self) -> None:
        """Ends every job, so that nothing of a test outlives it."""
        statuses = ["pending", "staging_inputs", "processing", "staging_outputs"]
        params = {"status": statuses, "limit": 1000}
        left = self.http.get("/jobs", params=params).json()["jobs"]
        for job in left:
            self.http.post(f"/jobs/{job['id']}/cancel")
        self.wait(*left)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.cancel_all()
        self.http.close()
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
                return
            self.kill()

    def log(self) -> str:
        return (self.home / "service.log").read_text()

    def submit(self, *descriptions: dict[str, Any], key: str | None = None) -> list[dict[str, Any]]:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.http.post("/jobs", json={"jobs": list(descriptions)}, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        jobs: list[dict[str, Any]] = answer.json()["jobs"]
        return jobs

    def status(self, job: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.get(f"/jobs/{job['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, *jobs: dict[str, Any], seconds: float = 30) -> list[dict[str, Any]]:
        """Each job once it has ended, waited for on the change feed."""
        found = []
        deadline = time.monotonic() + seconds
        for job in jobs:
            after = 0
            while (now := self.status(job))["status"] not in TERMINAL:
                assert time.monotonic() < deadline, f"not ended in {seconds} s: {now}\n{self.log()}"
                after = self.http.get(
                    "/changes", params={"after": after, "wait": 1, "job": job["id"]}
                ).json()["last"]
            found.append(now)
        return found

    def run(self, seconds: float = 30, **description: Any) -> dict[str, Any]:
        return self.wait(*self.submit(description), seconds=seconds)[0]

    def until_status(self, job: dict[str, Any], status: str) -> dict[str, Any]:
        return wait_until(
            lambda: (found := self.status(job))["status"] == status and found,
            timeout=15,
            what=lambda: self.status(job),
        )

    def output(self, job: dict[str, Any], name: str) -> str:
        return self.output_bytes(job, name).decode()

    def output_bytes(self, job: dict[str, Any], name: str) -> bytes:
        answer = self.http.get(f"/jobs/{job['id']}/outputs/{name}")
        if answer.status_code == 307:  # it lies in S3
            answer = httpx.get(answer.headers["location"], trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.content
