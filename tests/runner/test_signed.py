"""Files that a runner reads from and writes to S3, by URLs that a service signs for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from library.stand_in import Reply, Request, StandIn, as_json
from waiting import wait_until

from runner.conftest import Attempts

TOKEN = "the job's own"
NAME = "kotta://uploads/ab/big.bin"


class Site:
    """A service that signs, and the storage that it signs for.

    Attributes:
        files: what the storage has, by its path.
        asked: what the service was asked, without the attempt's key.
        failing: what the storage answers first, the last first.
        part_bytes: how large parts are; None: files go as a whole.
    """

    def __init__(self, service: StandIn, storage: StandIn) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.failing: list[Reply | None] = []
        self.refusing: list[Reply] = []
        self.part_bytes: int | None = None
        self.finished: list[dict[str, Any]] = []
        self._service, self._storage = service, storage
        service.answer = self.as_service
        storage.answer = self.as_storage

    def launch(self, **more: Any) -> dict[str, Any]:
        return {
            "stage_out": {"signed": True, "give_up_seconds": 30},
            "service": {"address": self._service.address, "token": TOKEN},
            **more,
        }

    def as_service(self, request: Request) -> Reply:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        path = request.path.removeprefix("/runner/")
        if path == "reports":
            return as_json({"cancel": False})
        self.asked.append((path, request.json))
        if self.refusing:
            return self.refusing.pop()
        if path == "inputs":
            urls = [self.url(f"in/{name[8:]}") for name in request.json["inputs"]]
            return as_json({"urls": urls, "seconds": 900})
        if path == "uploads/finish":
            self.finished.append(request.json)
            return Reply(status=204)
        return as_json({"uploads": [self.signed(file) for file in request.json["files"]]})

    def signed(self, file: dict[str, Any]) -> dict[str, Any]:
        size, first = file["size_bytes"], file.get("first_part", 1)
        part_bytes = self.part_bytes or max(size, 1)
        is_whole = size <= part_bytes
        numbers = [0] if is_whole else range(first, -(-size // part_bytes) + 1)
        return {
            "upload_id": "" if is_whole else "u",
            "part_bytes": part_bytes,
            "first_part": first,
            "urls": [self.url(f"out/{file['name']}/{number}") for number in numbers],
            "headers": {"x-amz-checksum-sha256": file["sha256"]} if is_whole else {},
            "seconds": 900,
        }

    def url(self, path: str) -> str:
        return f"{self._storage.address}/{path}?X-Amz-Signature={len(self.asked)}"

    def as_storage(self, request: Request) -> Reply | None:
        assert "authorization" not in request.headers
        assert TOKEN not in str(request)
        if self.failing:
            return self.failing.pop()
        if request.method == "PUT":
            sha256 = request.headers.get("x-amz-checksum-sha256")
            assert sha256 in (None, hashlib.sha256(request.body).hexdigest())
            self.files[request.path] = request.body
            return Reply(headers={"ETag": f'"{request.path[-1]}"'})
        content = self.files.get(request.path)
        if content is None:
            return Reply(b"<Error><Code>NoSuchKey</Code></Error>", 404)
        begin = int(request.headers.get("range", "bytes=0-")[6:-1])
        return Reply(content[begin:], 206 if "range" in request.headers else 200)


@pytest.fixture
def site() -> Iterator[Site]:
    with StandIn() as service, StandIn() as storage:
        yield Site(service, storage)


def input_of(content: bytes) -> dict[str, Any]:
    return {"name": "big.bin", "signed": NAME, "sha256": hashlib.sha256(content).hexdigest()}


def test_an_input_that_is_cut_goes_on_where_it_was(attempts: Attempts, site: Site) -> None:
    content = os.urandom(3 << 20)
    site.files["/in/uploads/ab/big.bin"] = content
    site.failing = [Reply(content, cut_at=1 << 20)]
    record = attempts.run("cmp big.bin big.bin", **site.launch(inputs=[input_of(content)]))
    assert record["status"] == "completed", record
    assert [path for path, _ in site.asked[:2]] == ["inputs", "inputs"], "a new URL for the rest"


def test_an_input_whose_url_is_refused_is_asked_for_anew_and_then_given_up(
    attempts: Attempts, site: Site
) -> None:
    content = b"some"
    site.files["/in/uploads/ab/big.bin"] = content
    refused = Reply(b"<Error><Code>AccessDenied</Code></Error>", 403)
    site.failing = [refused, refused]
    record = attempts.run("cat big.bin", **site.launch(inputs=[input_of(content)]))
    assert record["status"] == "completed", record
    site.failing = [refused] * 9
    record = attempts.run("cat big.bin", **site.launch(inputs=[input_of(content)]))
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert record["error"] == f"input {NAME}: the storage answers 403 AccessDenied"


def test_an_input_that_is_not_there_or_is_another_ends_the_attempt(
    attempts: Attempts, site: Site
) -> None:
    record = attempts.run("true", **site.launch(inputs=[input_of(b"some")]))
    assert record["error"] == f"input {NAME}: the storage answers 404 NoSuchKey"
    site.files["/in/uploads/ab/big.bin"] = b"othr"
    record = attempts.run("true", **site.launch(inputs=[input_of(b"some")]))
    assert record["error"] == f"input {NAME}: its bytes are not those that were uploaded"


def test_outputs_are_sent_and_their_copies_removed(attempts: Attempts, site: Site) -> None:
    launch = attempts.describe(
        "echo said; echo a > a.txt; : > empty",
        **site.launch(outputs=["STDOUT.txt", "STDERR.txt", "a.txt", "empty", "never"]),
    )
    attempts.hand_over(launch)
    record = attempts.record(launch)
    assert record["status"] == "completed", record
    assert [each["available"] for each in record["outputs"]] == [True, True, True, True, False]
    assert site.files["/out/a.txt/0"] == b"a\n"
    assert site.files["/out/STDOUT.txt/0"] == b"said\n"
    assert site.files["/out/empty/0"] == b""
    wait_until(lambda: not attempts.file(launch, "stdout").exists())
    assert not list(attempts.file(launch, "work").glob("*"))
    assert [path for path, _ in site.asked] == ["uploads"], "all are asked for at once"


def test_what_does_not_get_through_is_sent_again_and_the_rest_is_not(
    attempts: Attempts, site: Site
) -> None:
    site.part_bytes = 1 << 20
    site.failing = [None, Reply(b"<Error><Code>SlowDown</Code></Error>", 503)]
    record = attempts.run(
        "head -c 3500000 /dev/zero | tr '\\0' x > big.bin",
        **site.launch(outputs=["big.bin"], stdout="o", stderr="e"),
    )
    assert record["status"] == "completed", record
    sent = b"".join(site.files[f"/out/big.bin/{number}"] for number in range(1, 5))
    assert sent == b"x" * 3_500_000
    assert site.finished[0]["parts"] == [f'"{number}"' for number in range(1, 5)]
    assert site.finished[0]["upload_id"] == "u"


def test_a_service_that_is_away_or_finds_nothing_is_asked_again(
    attempts: Attempts, site: Site
) -> None:
    away = as_json({"detail": "the storage is away", "code": "storage_unavailable"}, 503)
    site.refusing = [away, away]
    record = attempts.run("echo a > a.txt", **site.launch(outputs=["a.txt"]))
    assert record["status"] == "completed", record
    site.part_bytes = 1
    lost = as_json({"detail": "the file did not arrive", "code": "not_arrived"}, 400)
    answers = {"uploads/finish": [lost]}
    answer = site.as_service

    def once_lost(request: Request) -> Reply:
        left = answers.get(request.path.removeprefix("/runner/"))
        return left.pop() if left else answer(request)

    site._service.answer = once_lost
    record = attempts.run("printf ab > a.txt", **site.launch(outputs=["a.txt"]))
    assert record["status"] == "completed", record
    assert len(site.finished) == 1


def test_what_a_service_has_no_use_for_is_not_sent(attempts: Attempts, site: Site) -> None:
    over = as_json({"detail": "attempt 1 is over", "code": "conflict"}, 409)
    site.refusing = [over] * 9
    record = attempts.run("echo a > a.txt", **site.launch(outputs=["a.txt"]))
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert "attempt 1 is over" in record["error"]
    assert site.files == {}


def test_a_storage_that_stays_away_is_given_up_in_time(attempts: Attempts, site: Site) -> None:
    site.failing = [Reply(b"<Error><Code>SlowDown</Code></Error>", 503)] * 99
    stage_out = {"signed": True, "give_up_seconds": 1}
    launch = {**site.launch(outputs=["a.txt"]), "stage_out": stage_out}
    record = attempts.run("echo a > a.txt", **launch)
    assert (record["status"], record["reason"], record["outputs"]) == ("failed", "staging", [])
    assert "a.txt could not be kept: the storage answers 503 SlowDown (tried for" in record["error"]
