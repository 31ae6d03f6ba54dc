"""An HTTP server that answers as a test says, for what a good service never does."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

A_JOB_ID = "3f0c1d52-6f0f-4c57-8a4e-5d5ed5f0a001"


@dataclass(frozen=True)
class Request:
    """What came; `query` has every value of each name."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What goes back; with `cut_at`, the connection ends after so many bytes of the body."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json", **named})


def a_problem(status: int, code: str, detail: str = "no", **more: Any) -> Reply:
    shape = {"title": "t", "status": status, "code": code, "detail": detail, **more}
    return as_json(shape, status, Kotta_Request_Id="abc-1")


def a_job(job_id: str = A_JOB_ID, **changed: Any) -> dict[str, Any]:
    """A job as the service tells of it."""
    return {
        "id": job_id,
        "name": "a job",
        "status": "processing",
        "queue": "Test",
        "jobtype": "script",
        "cpus": 1,
        "memory_mib": 1,
        "walltime_seconds": 60,
        "attempt": 1,
        "submitted_at": "2026-01-01T00:00:00Z",
        "change": 1,
        **changed,
    }


def a_change(number: int, job_id: str = A_JOB_ID, **changed: Any) -> dict[str, Any]:
    return {"number": number, "job": a_job(job_id, change=number, **changed)}


class StandIn:
    """Answers with what `answer` makes of a request; None ends the connection without a word."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply | None] = lambda request: a_problem(404, "not_found")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def lines(self) -> list[str]:
        """Method and path of every request so far."""
        return [request.line for request in self.requests]

    def replies(self, *replies: Reply | None) -> None:
        """Gives these, one a request; the last of them again and again."""
        left = list(replies)
        self.answer = lambda request: left.pop(0) if len(left) > 1 else left[0]

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = parts.path.removeprefix("/api/v2")
            request = Request(self.command, path, parse_qs(parts.query), headers, body)
            stand_in.requests.append(request)
            reply = stand_in.answer(request)
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            # who sends chunks says no length
            length = (
                {}
                if "Transfer-Encoding" in reply.headers
                else {"Content-Length": str(len(reply.body))}
            )
            for name, value in {**length, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut_at])
            if reply.cut_at is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            # a client that has heard enough closes the connection
            with contextlib.suppress(ConnectionError):
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

    return Handler
