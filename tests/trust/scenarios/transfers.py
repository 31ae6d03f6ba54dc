"""What lies between: a proxy that cuts, resets, says nothing, takes its time, or is not there."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

from shared_service import SharedService

from kotta import Kotta, connection, downloads, part_file
from kotta.errors import KottaError
from trust.harness import SETTINGS, Figures, Trial, judge, running, scenario
from trust.proxy import WAYS, Proxy

SIZE = 600_000
SEGMENT = 64 << 10
ANSWER_SECONDS = 1.0


@scenario("byte-identical; nothing under its final name unverified", short=2, full=50)
def outputs_fetched_through_harm(trial: Trial, count: int) -> Figures:
    """Each way cuts `count` connections at random bytes while outputs are fetched."""
    home = trial.home / "s"
    home.mkdir()
    service = SharedService(home, SETTINGS.format(cpus=2))
    content = trial.chance.randbytes(SIZE)
    (home / "content").write_bytes(content)
    harmed, errors = Counter[str](), 0
    service.start()
    try:
        service.add_user("ada")
        token = service.token("ada")
        with service.client(token) as http:
            described = {"executable": f"cp {home}/content a.bin; cp a.bin b.bin",
                         "outputs": "a.bin, b.bin"}  # fmt: skip
            job = http.post("/jobs", json={"jobs": [described]}).json()["jobs"][0]["id"]
            while not (now := http.get(f"/jobs/{job}", params={"wait": 5}).json())["ended_at"]:
                continue
            assert now["status"] == "completed", now
        target = urlsplit(service.url)
        for way in WAYS:
            place = (target.hostname or "", target.port or 0)
            with Proxy(place, way, trial.chance) as proxy, _hurried():
                while proxy.harmed < count:
                    proxy.harm_next(min(3, count - proxy.harmed), SIZE // 4)
                    errors += _fetch(proxy.address, token, job, trial.home / "got", content)
                harmed[way] = proxy.harmed
    finally:
        service.close()
    return {**{f"connections: {way}": harmed[way] for way in WAYS}, "given up with an error":
            errors}  # fmt: skip


def _fetch(address: str, token: str, job: str, into: Path, content: bytes) -> int:
    """Fetches until it is there; how often that ended in an error."""
    errors = 0
    while True:
        try:
            with Kotta({"access_token": token}, server=address) as kotta:
                kotta.fetch(job, into, ["*.bin"])
        except KottaError:
            errors += 1
        for file in into.glob("*.bin"):
            assert file.read_bytes() == content, f"{file} is not what the service keeps"
        if errors > 1000 or len(list(into.glob("*.bin"))) == 2:
            break
    assert sorted(path.name for path in into.iterdir()) == ["a.bin", "b.bin"]
    for file in into.iterdir():
        file.unlink()
    return errors


@contextlib.contextmanager
def _hurried() -> Iterator[None]:
    """A second is long to wait for an answer, and a file of some hundred kB comes in segments."""
    with (
        patch.object(connection, "ANSWER_SECONDS", ANSWER_SECONDS),
        patch.object(connection, "PAUSES_SECONDS", (0, 0)),
        patch.object(part_file, "SEGMENT_BYTES", SEGMENT),
        patch.object(downloads, "SEGMENT_BYTES", SEGMENT),
    ):
        yield


@scenario("byte-identical, or the job has failed and says so", short=2, full=50)
def inputs_staged_in_through_harm(trial: Trial, count: int) -> Figures:
    """The same ways while a job's input is downloaded; silence ends with `input_seconds`."""
    content = trial.chance.randbytes(SIZE)
    sha256 = hashlib.sha256(content).hexdigest()
    whole = failed = 0
    service = trial.service(KOTTA_SERVICE_INPUT_SECONDS="3")
    with running(service), _site(content) as place:
        for way in WAYS:
            with Proxy(place, way, trial.chance) as proxy:
                for number in range(count):
                    proxy.harm_next(1, SIZE)
                    described = trial.command("sha256sum < a.bin")
                    described["inputs"] = f"{proxy.address}/a.bin"
                    job = service.submit_surely(trial, f"{way}-{number}", described)
                    ended = service.wait({"id": job}, seconds=60)[0]
                    if ended["status"] == "completed":
                        whole += 1
                        assert sha256 in service.output(ended, "STDOUT.txt"), (way, ended)
                    else:
                        failed += 1
                        assert (ended["reason"], way != "slow") == ("staging", True), (way, ended)
                        assert "a.bin" in ended["error"], ended
        judge(trial, service)
    return {"jobs": count * len(WAYS), "whole": whole, "failed, and said so": failed}


@contextlib.contextmanager
def _site(content: bytes) -> Iterator[tuple[str, int]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield ("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
