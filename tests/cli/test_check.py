"""`kotta submit --check`: says what would happen, and leaves no trace."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cli.conftest import User


class _Files(BaseHTTPRequestHandler):
    """`/there`, 5 bytes by ranges, `/whole` without ranges, `/empty`, `/moved`, nothing else."""

    asked: list[tuple[str, str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        if self.path == "/there/data.bin":
            self._answer(206, b"h", {"Content-Range": "bytes 0-0/5"})
        elif self.path == "/whole/table.csv":
            self._answer(200, b"x" * 2048, {})
        elif self.path == "/empty/none.txt":
            self._answer(416, b"", {"Content-Range": "bytes */0"})
        elif self.path == "/moved/data.bin":
            self._answer(302, b"", {"Location": "/there/data.bin"})
        else:
            self._answer(404, b"", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_right_is_said_and_nothing_is_submitted_or_uploaded(user: User, web: str) -> None:
    (user.home / "local.txt").write_text("never sent, to the last bit of it")
    inputs = [
        f"{web}/there/data.bin",
        f"{web}/whole/table.csv",
        f"{web}/empty/none.txt",
        "local.txt",
    ]
    user.describe(executable="true", jobname="checked only", inputs=inputs, cpus=1)
    result = user.kotta("submit", "job.json", "--check")
    assert result.code == 0
    assert result.lines[:4] == [
        f"input\t{user.home}/local.txt\twould be uploaded\t33",
        f"input\t{web}/there/data.bin\tis there\t5",
        f"input\t{web}/whole/table.csv\tis there\t2048",
        f"input\t{web}/empty/none.txt\tis there\t0",
    ]
    assert result.lines[4].startswith("job\tchecked only\twould ")
    assert user.client.list(name="checked only").jobs == []
    name = hashlib.sha256((user.home / "local.txt").read_bytes()).hexdigest()
    assert not any(name in str(path) for path in user.home.rglob("*"))
    user.client.upload(user.home / "local.txt")
    assert any(name in str(path) for path in user.home.rglob("*")), "uploads lie elsewhere"


def test_one_byte_of_each_input_is_asked_for_once(user: User, web: str) -> None:
    _Files.asked.clear()
    words = ["--sweep", "n=1,2,3", "-i", f"{web}/there/data.bin", "--check", "--", "true"]
    assert user.quick("submit", *words).code == 0
    assert _Files.asked == [("/there/data.bin", "bytes=0-0")]


def test_an_input_that_cannot_be_had_is_told_with_one(user: User, web: str) -> None:
    inputs = f"{web}/gone/a.txt,http://127.0.0.1:1/b.txt,{web}/moved/data.bin"
    user.describe(executable="true", inputs=inputs)
    result = user.quick("submit", "job.json", "--check", "--json")
    assert result.code == 1
    problems = {each["url"].rpartition("/")[2]: each["problem"] for each in result.json["inputs"]}
    assert problems["a.txt"] == "HTTP 404 Not Found"
    assert "refused" in problems["b.txt"]
    assert problems["data.bin"] == ""
    assert result.json["jobs"][0]["queue"] == "Test"


def test_a_terminal_is_told_first_what_is_wrong(user: User, web: str) -> None:
    user.describe(
        executable="true",
        jobname="looked at",
        inputs=[f"{web}/there/data.bin", f"{web}/gone/a.txt"],
    )
    window = user.window("submit", "job.json", "--check", columns=100)
    assert window.end() == 1
    assert window.lines[1:3] == [
        f"✗ {web}/gone/a.txt: HTTP 404 Not Found",
        f"✓ {web}/there/data.bin is there (5 B)",
    ]
    assert "looked at would " in window.text
    assert window.lines[-1] == "1 of 2 inputs is not to be had. Nothing was submitted."


def test_what_would_not_be_accepted_is_told_as_submitting_would(user: User) -> None:
    user.describe(executable="true", queue="Nowhere")
    checked, submitted = (
        user.quick("submit", "job.json", *more) for more in (["--check"], ["--quiet"])
    )
    assert (checked.code, checked.err) == (submitted.code, submitted.err) == (2, submitted.err)


def test_what_it_would_wait_for_is_told(user: User) -> None:
    first = user.running(executable="sleep 60")
    words = ["--check", "--after", first, "--json", "--", "true"]
    (job,) = user.quick("submit", *words).json["jobs"]
    assert (job["starts_now"], job["waits_for"]) == (False, 1)
    done = user.done(executable="true")
    (job,) = user.quick("submit", "--check", "--after", done, "--json", "--", "true").json["jobs"]
    assert job["waits_for"] == 0
