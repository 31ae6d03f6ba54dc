"""A web server in this process whose every answer a test decides."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Asked = dict[str, str]
"""The fields of query and form, and `authorization`."""
Answer = Callable[[Asked], Any]


class Site:
    """Answers by path: a dict is sent as JSON, a str is where to go, bytes are sent as they are.

    Attributes:
        asked: what was asked, by path, as it came.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Asked]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("content-length", "0"))))

            def log_message(self, *args: object) -> None:
                pass

            def _answer(self, body: bytes) -> None:
                parts = urlsplit(self.path)
                asked = dict(parse_qsl(parts.query) + parse_qsl(body.decode()))
                asked["authorization"] = self.headers.get("authorization", "")
                site.asked.append((parts.path, asked))
                answer = site.answers.get(parts.path, lambda _: (404, {}))(asked)
                status, content = answer if isinstance(answer, tuple) else (200, answer)
                if isinstance(content, str):
                    status, location, content = 302, content, b""
                else:
                    location = ""
                if isinstance(content, dict):
                    content = json.dumps(content).encode()
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # nobody reads on what is too long
                    self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
