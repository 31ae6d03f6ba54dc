"""Servers that send too much, too slowly, or something else than was asked for."""

from __future__ import annotations

import contextlib
import gzip
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kotta_runner import download
from kotta_runner.attempt import Attempt
from kotta_runner.stage_in import Inputs
from kotta_runner.staging import StagingError

from .conftest import Attempts

Answer = Callable[[socket.socket], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


class Hostile:
    """A server that answers each request as a test wants."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: None
        self.leaves = threading.Event()
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/data"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.requests.append(connection.recv(65536))
                self.answer(connection)

    def forever(self, chunk: bytes, pause_seconds: float = 0) -> Answer:
        def answer(connection: socket.socket) -> None:
            while not self.leaves.is_set():
                connection.sendall(chunk)
                if pause_seconds:
                    self.leaves.wait(pause_seconds)

        return answer

    def after(self, head: bytes, rest: Answer) -> Answer:
        def answer(connection: socket.socket) -> None:
            connection.sendall(head)
            rest(connection)

        return answer

    def close(self) -> None:
        self.leaves.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    some = Hostile()
    yield some
    some.close()


def bring(tmp_path: Path, *urls: str, **downloads: Any) -> Path:
    """Brings inputs into an attempt's working directory, which it gives."""
    attempt = Attempt(str(tmp_path / "attempt"))
    assert attempt.claim()
    try:
        wanted = [{"name": f"in-{n}", "url": url} for n, url in enumerate(urls)]
        Inputs(attempt, {"inputs": wanted, "downloads": downloads}).download()
    finally:
        attempt.release()
    return Path(attempt.work)


def sizes(tmp_path: Path) -> int:
    return sum(file.stat().st_size for file in tmp_path.glob("attempt/work/*"))


def test_an_endless_body_ends_at_the_limit(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answer = hostile.after(HEAD + b"\r\n", hostile.forever(b"x" * 65536))
    with pytest.raises(StagingError, match="too large: the inputs of a job may hold 2 MiB"):
        bring(tmp_path, hostile.url, max_bytes=2 << 20)
    assert sizes(tmp_path) <= 2 << 20


def test_an_endless_chunked_body_ends_at_the_limit(hostile: Hostile, tmp_path: Path) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    hostile.answer = hostile.after(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", hostile.forever(chunk)
    )
    with pytest.raises(StagingError, match="too large"):
        bring(tmp_path, hostile.url, max_bytes=2 << 20)


def test_a_size_that_is_announced_as_too_large_is_believed(
    hostile: Hostile, tmp_path: Path
) -> None:
    hostile.answer = lambda to: to.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\nabc")
    with pytest.raises(StagingError, match="too large"):
        bring(tmp_path, hostile.url, max_bytes=2 << 20)
    assert sizes(tmp_path) == 0


def test_the_limit_is_for_all_inputs_of_a_job_together(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answer = lambda to: to.sendall(HEAD + b"Content-Length: 600\r\n\r\n" + b"x" * 600)
    with pytest.raises(StagingError, match="too large"):
        bring(tmp_path, *[hostile.url] * 3, max_bytes=1500)
    assert sizes(tmp_path) <= 1500


@pytest.mark.parametrize("length", [b"-5", b"1e3", b"+8", "٣".encode(), b"9" * 400, b"8, 9"])
def test_a_length_that_is_no_number_does_no_harm(
    hostile: Hostile, tmp_path: Path, length: bytes
) -> None:
    hostile.answer = lambda to: to.sendall(
        HEAD + b"Content-Length: " + length + b"\r\n\r\n12345678"
    )
    with contextlib.suppress(StagingError):
        work = bring(tmp_path, hostile.url, max_bytes=1 << 20)
        assert (work / "in-0").read_bytes() == b"12345678"


def test_a_body_that_drips_ends_in_time(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answer = hostile.after(HEAD + b"\r\n", hostile.forever(b"x", 0.02))
    began = time.monotonic()
    with pytest.raises(StagingError, match=r"too long|too late"):
        bring(tmp_path, hostile.url, max_seconds=0.3)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("drop", [b"x", b"X-More: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_head_that_never_ends_ends_in_time(
    hostile: Hostile, tmp_path: Path, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "HEAD_SECONDS", 0.3)
    start = b"" if drop.startswith(b"HTTP") else HEAD
    hostile.answer = hostile.after(start, hostile.forever(drop, 0.02))
    with pytest.raises(StagingError, match="took too long"):
        bring(tmp_path, hostile.url, max_seconds=30)


def test_headers_without_end_are_refused(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answer = hostile.after(HEAD, hostile.forever(b"X-More: " + b"y" * 8000 + b"\r\n"))
    with pytest.raises(StagingError, match="more than 100 headers"):
        bring(tmp_path, hostile.url)


def test_the_body_of_a_redirect_is_not_read(hostile: Hostile, tmp_path: Path) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hostile.answer = hostile.after(head, hostile.forever(b"x" * (1 << 20)))
    with pytest.raises(StagingError, match="HTTP 302, and more than 10 redirects"):
        bring(tmp_path, hostile.url)
    # Source: getrusage(2): kilobytes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert len(hostile.requests) == 11


def test_what_is_compressed_stays_so(hostile: Hostile, tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(10 << 20))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    hostile.answer = lambda to: to.sendall(head + bomb)
    work = bring(tmp_path, hostile.url, max_bytes=1 << 20)
    assert (work / "in-0").read_bytes() == bomb
    assert b"Accept-Encoding: identity" in hostile.requests[0]


def test_nothing_that_one_server_was_told_goes_to_the_next(
    hostile: Hostile, tmp_path: Path
) -> None:
    other = Hostile()
    other.answer = lambda to: to.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")
    moved = f"HTTP/1.1 307 Moved\r\nSet-Cookie: a=b\r\nLocation: {other.url}\r\n\r\n".encode()
    hostile.answer = lambda to: to.sendall(moved)
    try:
        work = bring(tmp_path, hostile.url + "?signature=secret")
    finally:
        other.close()
    assert (work / "in-0").read_bytes() == b"ok"
    sent = other.requests[0].lower()
    for word in (b"cookie", b"authorization", b"referer", b"secret"):
        assert word not in sent


def test_a_user_name_in_an_address_is_refused(hostile: Hostile, tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="a user name in an address"):
        bring(tmp_path, hostile.url.replace("://", "://user:secret@"))
    assert hostile.requests == []


def test_a_job_whose_input_is_too_large_says_so(attempts: Attempts, hostile: Hostile) -> None:
    hostile.answer = hostile.after(HEAD + b"\r\n", hostile.forever(b"x" * 65536))
    record = attempts.run(
        "true",
        inputs=[{"name": "in", "url": hostile.url}],
        downloads={"refuse_private": False, "max_bytes": 1 << 20, "max_seconds": 20},
    )
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert record["error"] == (
        f"input {hostile.url}: is too large: the inputs of a job may hold 1 MiB"
    )


def test_a_job_of_a_shared_service_is_told_what_it_cannot_have(
    attempts: Attempts, hostile: Hostile
) -> None:
    record = attempts.run(
        "true",
        inputs=[{"name": "in", "url": hostile.url}],
        downloads={"refuse_private": True, "allowed_networks": []},
    )
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert "127.0.0.1, which this service does not download from" in record["error"]
    assert hostile.requests == []
