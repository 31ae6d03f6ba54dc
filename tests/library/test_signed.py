"""Files that a service keeps in S3, as clients bring and send them: past the service."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kotta import Kotta, connection, signed_uploads
from kotta.errors import ConnectionFailedError, StorageFullError, TransferError
from library.stand_in import A_JOB_ID, Reply, Request, StandIn, a_job, as_json

TOKEN = "kotta_t_secret"


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES_SECONDS", (0, 0))


@pytest.fixture
def storage() -> Iterator[StandIn]:
    """What answers in place of S3."""
    with StandIn() as server:
        yield server


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[Kotta]:
    with Kotta({"access_token": TOKEN}, server=stand_in.address) as kotta:
        yield kotta


class Outputs:
    """A job's outputs, which the service signs for and the storage has.

    Attributes:
        signed: for which of them, once for each URL.
        refusals: how many requests the storage refuses first, as a URL that has expired.
        cut_at: after how many bytes its next answer is cut; None: not at all.
    """

    def __init__(self, service: StandIn, storage: StandIn, **files: bytes) -> None:
        self.files = {name.replace("_", "."): content for name, content in files.items()}
        self.signed: list[str] = []
        self.refusals = 0
        self.cut_at: int | None = None
        self._storage = storage
        service.answer = self.as_service
        storage.answer = self.as_storage

    def as_service(self, request: Request) -> Reply:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        if request.path == f"/jobs/{A_JOB_ID}/outputs":
            assert request.headers["kotta-accept"] == "url"
            names = request.json["names"]
            return as_json({"urls": [self.url(name) for name in names], "seconds": 900})
        if "/outputs/" in request.path:
            assert request.headers["kotta-accept"] == "url"
            url = self.url(request.path.rpartition("/")[2])
            return Reply(status=204, headers={"Kotta-Url": url, "Kotta-Url-Seconds": "900"})
        outputs = [
            {
                "name": name,
                "available": True,
                "size_bytes": len(content),
                "sha256": sha256_of(content),
            }
            for name, content in self.files.items()
        ]
        return as_json(a_job(status="completed", description={}, outputs=outputs))

    def url(self, name: str) -> str:
        self.signed.append(name)
        return f"{self._storage.address}/bucket/{name}?X-Amz-Signature={len(self.signed)}"

    def as_storage(self, request: Request) -> Reply:
        if self.refusals:
            self.refusals -= 1
            return Reply(b"<Error><Code>AccessDenied</Code></Error>", 403)
        content = self.files[request.path.rpartition("/")[2]]
        cut_at, self.cut_at = self.cut_at, None
        if "range" not in request.headers:
            return Reply(content, cut_at=cut_at)
        first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        begin, end = int(first), int(last or len(content) - 1) + 1
        told = {"Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"}
        return Reply(content[begin:end], 206, told, cut_at=cut_at)


def test_outputs_come_from_s3_and_no_token_goes_there(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    large = os.urandom(20 << 20)
    outputs = Outputs(stand_in, storage, a_txt=b"a", b_txt=b"bb", c_bin=large)
    assert sorted(client.fetch(A_JOB_ID, home / "got").fetched) == ["a.txt", "b.txt", "c.bin"]
    assert (home / "got" / "c.bin").read_bytes() == large
    assert (home / "got" / "b.txt").read_bytes() == b"bb"
    assert set(outputs.signed) == {"a.txt", "b.txt", "c.bin"}
    for request in storage.requests:
        assert "authorization" not in request.headers
        assert TOKEN not in str(request)


def test_a_cut_is_mended_with_ranges(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    content = os.urandom(3 << 20)
    Outputs(stand_in, storage, a_bin=content).cut_at = 1 << 20
    client.fetch(A_JOB_ID, home / "got")
    assert (home / "got" / "a.bin").read_bytes() == content
    begins = [request.headers.get("range", "").rstrip("-") for request in storage.requests]
    assert begins[0] == ""
    assert begins[1].startswith("bytes=")


def test_what_reads_a_stream_goes_on_with_ranges_too(
    client: Kotta, stand_in: StandIn, storage: StandIn
) -> None:
    content = os.urandom(3 << 20)
    Outputs(stand_in, storage, a_bin=content).cut_at = 1 << 20
    assert b"".join(client.read_output(A_JOB_ID, "a.bin")) == content


def test_a_url_that_has_expired_is_replaced(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    outputs = Outputs(stand_in, storage, a_bin=os.urandom(2 << 20))
    outputs.refusals = 2
    client.fetch(A_JOB_ID, home / "got")
    assert outputs.signed == ["a.bin"] * 3


def test_a_storage_that_refuses_every_url_is_told_of(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    Outputs(stand_in, storage, a_bin=os.urandom(2 << 20)).refusals = 99
    with pytest.raises(ConnectionFailedError) as failed:
        client.fetch(A_JOB_ID, home / "got")
    assert failed.value.message == f"the storage at {storage.address} answers 403 AccessDenied"


def test_other_bytes_than_were_promised_get_no_name(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    outputs = Outputs(stand_in, storage, a_bin=b"x" * (2 << 20))
    storage.answer = lambda request: Reply(b"y" * (2 << 20))
    with pytest.raises(TransferError):
        client.fetch(A_JOB_ID, home / "got")
    assert not (home / "got" / "a.bin").exists()
    assert outputs.signed


class Uploads:
    """A service that lets files be sent to the storage, and what has come there."""

    def __init__(self, service: StandIn, storage: StandIn, part_bytes: int | None = None) -> None:
        self.came: dict[str, bytes] = {}
        self.finished: list[dict[str, Any]] = []
        self.signed: list[int] = []
        self.failing: list[Reply | None] = []
        self._storage = storage
        self._part_bytes = part_bytes
        service.answer = self.as_service
        storage.answer = self.as_storage

    def as_service(self, request: Request) -> Reply:
        if request.path == "/uploads/check":
            return as_json({"missing": request.json["sha256"], "direct": True})
        if request.path.endswith("/finish"):
            self.finished.append(request.json)
            return Reply(status=201)
        asked = request.json
        size, first = asked["size_bytes"], asked["first_part"]
        part_bytes = self._part_bytes or max(size, 1)
        numbers = range(first, min(first + 2, -(-size // part_bytes) + 1))
        self.signed.append(first)
        return as_json(
            {
                "upload_id": "u" if self._part_bytes else "",
                "part_bytes": part_bytes,
                "first_part": first,
                "urls": [f"{self._storage.address}/b/{n}?signature=x" for n in numbers or [1]],
                "headers": {"x-amz-checksum-sha256": "abc="},
                "seconds": 900,
            }
        )

    def as_storage(self, request: Request) -> Reply | None:
        assert "authorization" not in request.headers
        assert request.headers["x-amz-checksum-sha256"] == "abc="
        if self.failing:
            return self.failing.pop()
        number = request.path.rpartition("/")[2]
        self.came[number] = request.body
        return Reply(headers={"ETag": f'"{number}"'})


def test_a_file_is_sent_to_s3_and_then_told_of(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    uploads = Uploads(stand_in, storage)
    (home / "a.txt").write_bytes(b"hello")
    seen: list[tuple[str, int, int]] = []
    client.upload("a.txt", lambda *told: seen.append(told))
    assert uploads.came == {"1": b"hello"}
    assert uploads.finished == [{"size_bytes": 5, "upload_id": "", "parts": []}]
    assert seen[-1] == ("a.txt", 5, 5)
    assert all(b"hello" not in request.body for request in stand_in.requests)


def test_an_empty_file_is_sent_as_well(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    uploads = Uploads(stand_in, storage)
    (home / "empty").write_bytes(b"")
    client.upload("empty")
    assert uploads.came == {"1": b""}


def test_a_large_file_goes_in_parts_and_what_arrived_is_not_sent_again(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    uploads = Uploads(stand_in, storage, part_bytes=1000)
    uploads.failing = [None, Reply(b"<Error><Code>SlowDown</Code></Error>", 503)]
    content = os.urandom(4500)
    (home / "a.bin").write_bytes(content)
    client.upload("a.bin")
    assert b"".join(uploads.came[str(number)] for number in range(1, 6)) == content
    (finished,) = uploads.finished
    assert (finished["upload_id"], finished["size_bytes"]) == ("u", 4500)
    assert finished["parts"] == [f'"{number}"' for number in range(1, 6)]
    assert uploads.signed[0] == 1
    assert uploads.signed[-1] == 5


def test_a_file_that_changes_while_its_parts_are_sent_is_not_told_of(
    client: Kotta, stand_in: StandIn, storage: StandIn, home: Path
) -> None:
    uploads = Uploads(stand_in, storage, part_bytes=1000)
    file = home / "a.bin"
    file.write_bytes(b"x" * 2000)

    def change(*_: object) -> None:
        file.write_bytes(b"y" * 2000)
        os.utime(file, (1, 1))

    with pytest.raises(TransferError, match="changed while it was sent"):
        client.upload("a.bin", change)
    assert uploads.finished == []


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (400, "BadDigest", TransferError, "changed while it was sent"),
        (507, "XMinioStorageFull", StorageFullError, "the service's storage is full"),
        (403, "QuotaExceeded", StorageFullError, "the service's storage is full"),
        (403, "AccessDenied", ConnectionFailedError, "answers 403 AccessDenied"),
        (503, "SlowDown", ConnectionFailedError, "answers 503 SlowDown"),
    ],
)
def test_what_s3_says_against_a_file_is_told(
    client: Kotta,
    stand_in: StandIn,
    storage: StandIn,
    home: Path,
    status: int,
    code: str,
    error: type[Exception],
    words: str,
) -> None:
    uploads = Uploads(stand_in, storage)
    body = f"<Error><Code>{code}</Code></Error>".encode()
    uploads.failing = [Reply(body, status) for _ in range(2 * signed_uploads.TRIES)]
    (home / "a.txt").write_bytes(b"hello")
    with pytest.raises(error, match=words):
        client.upload("a.txt")
    assert uploads.finished == []
    assert "signature" not in words
