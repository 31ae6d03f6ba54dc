"""Servers that never end: what is read is bounded in time and memory, whatever comes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from kotta import Kotta, connection, oauth
from kotta.errors import ConnectionFailedError, ServiceFaultError
from kotta.oauth import OAuth
from library.stand_in import Reply, StandIn, a_job

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS = {
    "a head that never ends": itertools.chain([HEAD], itertools.repeat(b"X")),
    "interim answers without end": itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body that never ends": itertools.chain(
        [HEAD + b"Content-Length: 100000\r\n\r\n"], itertools.repeat(b" ")
    ),
    "chunks without end": itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\n \r\n")
    ),
}


@contextlib.contextmanager
def dripping(pieces: Iterable[bytes], pause: float) -> Iterator[str]:
    """A server that sends these to everybody, one after the other."""
    over = threading.Event()

    def serve(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            peer.recv(65536)
            for piece in pieces:
                if over.wait(pause):
                    return
                peer.sendall(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_is_given_up(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WHOLE_ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(oauth, "TIMEOUT_SECONDS", 0.3)
    with dripping(DRIPS[what], 0.02) as address, Kotta(server=address) as konn:
        began = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="no answer in time"):
            konn.queues()
        with pytest.raises(ConnectionFailedError, match="no answer"):
            OAuth(address).begin(label="", scopes="")
        assert time.monotonic() - began < 5


def test_headers_without_end_are_given_up() -> None:
    flood = itertools.chain([HEAD], itertools.repeat(b"X-More: " + b"x" * 1000 + b"\r\n"))
    with dripping(flood, 0) as address, Kotta(server=address) as konn:
        with pytest.raises(ConnectionFailedError):
            konn.queues()


JOB = json.dumps(a_job()).encode()
FLOODS = {
    "a million jobs": b'{"jobs":[' + (JOB + b",") * 90_000,
    "numbers": b'{"jobs":[' + b"1," * 700_000 + b"1]}",
    "objects": b'{"jobs":[' + b"{}," * 120_000 + b"{}]}",
    "names": b'{"jobs":[{' + b",".join(b'"%d":1' % each for each in range(700_000)) + b"}]}",
    "lists": b'{"jobs":[' + b"[]," * 250_000 + b"[]]}",
    "one word": b'{"jobs":"' + b"x" * (31 << 20) + b'"}',
    "more than any": b'{"jobs":"' + b"x" * (80 << 20),
}
MEASURED = """
import sys
from kotta_cli.main import main
code = main(["--server", sys.argv[1], "list"])
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(peak.split()[1])
sys.exit(code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measured by /proc")
@pytest.mark.parametrize("what", FLOODS)
def test_no_answer_takes_more_than_200_mib(stand_in: StandIn, what: str) -> None:
    stand_in.replies(Reply(FLOODS[what]))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, stand_in.address],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=60,
    )
    assert done.returncode == 125, done.stderr
    assert done.stderr.startswith(f"error: what answers at {stand_in.address} is no Kotta service")
    assert "Traceback" not in done.stderr
    assert int(done.stdout) < 200 << 10


def test_a_page_with_as_many_jobs_as_there_can_be_is_read(stand_in: StandIn, kotta: Kotta) -> None:
    jobs = [a_job(f"3f0c1d52-6f0f-4c57-8a4e-{number:012d}") for number in range(10_000)]
    stand_in.replies(Reply(json.dumps({"jobs": jobs}).encode()))
    assert len(kotta.list().jobs) == 10_000


def test_a_page_that_leads_to_itself_is_refused(stand_in: StandIn, kotta: Kotta) -> None:
    page = {"jobs": [a_job()], "next_cursor": "again", "is_set": True}
    stand_in.replies(Reply(json.dumps(page).encode()))
    with pytest.raises(ServiceFaultError, match="leads to itself"):
        kotta.select_many(["@all"])
