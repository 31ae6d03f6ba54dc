"""What every storage promises, over each of them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.stub import Stubber
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from waiting import wait_until

from kotta.errors import ConflictError, RequestError, StorageFullError
from kotta_service.messages import ExitRecord
from kotta_service.s3_settings import S3Settings
from kotta_service.settings import Settings
from kotta_service.storage import Storage, StorageAwayError
from kotta_service.storage.choosing import bucket_problem, storage_of
from kotta_service.storage.files import FileStorage
from kotta_service.storage.s3 import PART_BYTES, S3Storage, part_bytes_of

JOB = "4f6c0000-0000-4000-8000-000000000000"
ODD_NAME = "a b+c~ü#?&%41*'(é).txt"
PutOutput = Callable[[str, bytes], None]


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def chunks_of(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


def keep(storage: Storage, content: bytes, sha256: str = "", limit: int = 1 << 20) -> int:
    """Keeps an upload of ada's that comes through the service."""
    return kept_as(storage, content, sha256 or sha256_of(content), limit)[1]


def kept_as(storage: Storage, content: bytes, announced: str | None, limit: int) -> tuple[str, int]:
    """The same; its SHA-256 and size, as the storage tells them."""

    async def main() -> tuple[str, int]:
        async with storage.keep_upload("ada", announced, chunks_of(content), limit) as kept:
            return kept

    return asyncio.run(main())


def record(*outputs: tuple[str, bytes], **values: Any) -> ExitRecord:
    made = [
        {"name": name, "available": True, "size_bytes": len(content), "sha256": sha256_of(content)}
        for name, content in outputs
    ]
    known = {"job_id": JOB, "attempt": 1, "status": "completed", "reason": "exit"}
    return ExitRecord.model_validate({**known, "timeline": {}, "outputs": made, **values})


def s3_settings(server: S3Server, bucket: str, **s3: Any) -> Settings:
    own = {"endpoint": server.url, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    return Settings.model_validate({"storage": f"s3://{bucket}/lab", "s3": {**own, **s3}})


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def in_s3(s3: S3Server, bucket: str, tmp_path: Path) -> Iterator[S3Storage]:
    storage = storage_of(s3_settings(s3, bucket), tmp_path)
    assert isinstance(storage, S3Storage)
    yield storage
    storage.close()


@pytest.fixture(params=["files", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "files":
        return storage_of(Settings(), tmp_path)
    found: Storage = request.getfixturevalue("in_s3")
    return found


@pytest.fixture
def put_output(storage: Storage) -> PutOutput:
    """Puts an output of the job's first attempt where its runner would."""

    def put(name: str, content: bytes) -> None:
        kept = storage.output(JOB, 1, name)
        if kept.path is not None:
            kept.path.parent.mkdir(parents=True, exist_ok=True)
            kept.path.write_bytes(content)
            return
        signed = storage.sign_upload(kept, sha256_of(content), len(content))
        put_signed(signed.urls[0], content, signed.headers).raise_for_status()

    return put


def put_signed(url: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.put(url, content=content, headers=headers)


def test_what_was_kept_is_read_back(storage: Storage) -> None:
    content = os.urandom(5000)
    assert keep(storage, content) == 5000
    kept = storage.upload("ada", sha256_of(content))
    with kept.opened() as found:
        assert found is not None
        assert found.size == 5000
        assert found.read(0, 10_000) == content
        assert found.read(4990, 100) == content[4990:]
        assert found.read(5000, 10) == b""
    assert b"".join(kept.pieces(5000)) == content


def test_nothing_is_kept_of_other_bytes_than_were_announced(storage: Storage) -> None:
    with pytest.raises(RequestError) as refused:
        keep(storage, b"others", sha256_of(b"these"))
    assert refused.value.code == "hash_mismatch"
    for content in (b"others", b"these"):
        with storage.upload("ada", sha256_of(content)).opened() as found:
            assert found is None


def keep_file(storage: Storage, source: Path, sha256: str, limit: int = 1 << 20) -> int:
    """Has a file of this machine kept for ada; its size, as the storage tells it."""

    async def main() -> int:
        async with storage.keep_file("ada", sha256, source, limit) as (found, size):
            assert found == sha256
            return size

    return asyncio.run(main())


@pytest.fixture
def files(tmp_path: Path) -> FileStorage:
    storage = storage_of(Settings(), tmp_path)
    assert isinstance(storage, FileStorage)
    return storage


def content_of(storage: Storage, sha256: str) -> bytes | None:
    with storage.upload("ada", sha256).opened() as found:
        return None if found is None else found.read(0, 1 << 20)


def test_what_is_left_for_the_service_is_taken_from_there(files: FileStorage) -> None:
    content = os.urandom(5000)
    source = files.incoming / "left"
    source.write_bytes(content)
    about = source.stat()
    assert keep_file(files, source, sha256_of(content)) == 5000
    assert not source.exists()
    kept = files.upload("", sha256_of(content)).path
    assert (kept.stat().st_ino, kept.stat().st_mode & 0o777) == (about.st_ino, 0o600)
    assert content_of(files, sha256_of(content)) == content


@pytest.mark.parametrize("has_other_names", [False, True])
def test_a_file_elsewhere_is_copied(
    files: FileStorage, tmp_path: Path, has_other_names: bool
) -> None:
    content = os.urandom(3 << 18)
    source = tmp_path / "mine"
    source.write_bytes(content)
    if has_other_names:  # in the folder, but somebody else's too
        source = files.incoming / "link"
        source.hardlink_to(tmp_path / "mine")
    assert keep_file(files, source, sha256_of(content)) == len(content)
    assert content_of(files, sha256_of(content)) == content
    (tmp_path / "mine").write_bytes(b"changed")
    assert content_of(files, sha256_of(content)) == content
    assert [each for each in files.incoming.iterdir() if each != source] == []


@pytest.mark.parametrize("is_left", [False, True])
def test_nothing_is_kept_of_a_file_with_another_hash(
    files: FileStorage, tmp_path: Path, is_left: bool
) -> None:
    source = (files.incoming if is_left else tmp_path) / "mine"
    source.write_bytes(b"others")
    with pytest.raises(RequestError) as refused:
        keep_file(files, source, sha256_of(b"these"))
    assert refused.value.code == "hash_mismatch"
    assert list(files.incoming.iterdir()) == []
    assert content_of(files, sha256_of(b"others")) is None
    assert source.exists() != is_left


@pytest.mark.parametrize("kind", ["nothing", "folder", "fifo", "link", "NUL", "too large"])
def test_what_cannot_be_taken_is_left_alone(files: FileStorage, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "mine"
    if kind == "folder":
        source.mkdir()
    elif kind == "fifo":
        os.mkfifo(source)
    elif kind == "link":
        (tmp_path / "other").write_bytes(b"x")
        source.symlink_to(tmp_path / "other")
    elif kind == "NUL":
        source = Path(f"{source}\0")
    elif kind == "too large":
        source.write_bytes(b"xx")
    with pytest.raises(RequestError) as refused:
        keep_file(files, source, sha256_of(b"x"), limit=1)
    assert refused.value.code == ("too_large" if kind == "too large" else "not_taken")
    assert list(files.incoming.iterdir()) == []


def test_what_somebody_has_locked_is_not_waited_for(files: FileStorage) -> None:
    source = files.incoming / "left"
    source.write_bytes(b"x")
    with source.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(RequestError) as refused:
            keep_file(files, source, sha256_of(b"x"))
    assert (refused.value.code, source.read_bytes()) == ("not_taken", b"x")


def test_a_service_over_s3_takes_no_files_by_their_paths(in_s3: S3Storage, tmp_path: Path) -> None:
    assert in_s3.incoming is None
    with pytest.raises(RequestError) as refused:
        keep_file(in_s3, tmp_path / "mine", sha256_of(b"x"))
    assert refused.value.code == "not_taken"


def test_what_cannot_be_synced_is_not_kept(
    files: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    source = files.incoming / "left"
    source.write_bytes(b"x")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StorageFullError):
        keep_file(files, source, sha256_of(b"x"))
    assert content_of(files, sha256_of(b"x")) is None


def test_nothing_is_kept_of_what_is_too_large(storage: Storage) -> None:
    with pytest.raises(RequestError) as refused:
        keep(storage, b"x" * 2000, limit=1999)
    assert refused.value.code == "too_large"
    with storage.upload("ada", sha256_of(b"x" * 2000)).opened() as found:
        assert found is None


def test_the_hash_of_what_nobody_announced_is_told(storage: Storage) -> None:
    assert kept_as(storage, b"some", None, 10) == (sha256_of(b"some"), 4)
    assert keep(storage, b"some") == 4, "twice is the same as once"


def test_a_file_may_be_empty(storage: Storage, put_output: PutOutput) -> None:
    assert keep(storage, b"") == 0
    put_output("empty", b"")
    kept = storage.output(JOB, 1, "empty")
    with kept.opened() as found:
        assert found is not None
        assert (found.size, found.read(0, 10)) == (0, b"")
    assert list(kept.pieces(0)) == []


def test_an_output_may_have_any_name(storage: Storage, put_output: PutOutput) -> None:
    put_output(ODD_NAME, b"odd")
    with storage.output(JOB, 1, ODD_NAME).opened() as found:
        assert found is not None
        assert found.read(0, 10) == b"odd"
    assert storage.checked(record((ODD_NAME, b"odd"))).outputs[0].available


def test_attempts_keep_their_outputs_apart(storage: Storage, put_output: PutOutput) -> None:
    put_output("a", b"first")
    with storage.output(JOB, 2, "a").opened() as found:
        assert found is None


def test_it_works_and_says_so(storage: Storage) -> None:
    assert storage.problem() == ""


def test_files_are_sent_to_who_keeps_them_itself(tmp_path: Path) -> None:
    storage = storage_of(Settings(), tmp_path)
    with pytest.raises(ConflictError) as refused:
        storage.sign_upload(storage.upload("ada", "0" * 64), "0" * 64, 1)
    assert refused.value.code == "not_direct"


# only of S3


def test_a_signed_url_takes_the_announced_bytes_and_no_others(in_s3: S3Storage) -> None:
    content, sha256 = b"these bytes", sha256_of(b"these bytes")
    kept = in_s3.upload("ada", sha256)
    signed = in_s3.sign_upload(kept, sha256, len(content))
    assert put_signed(signed.urls[0], b"those bytes", signed.headers).status_code == 400
    assert put_signed(signed.urls[0], content + b"!", signed.headers).status_code >= 400
    assert put_signed(signed.urls[0], content, {}).status_code == 403, "the checksum is signed"
    with pytest.raises(RequestError) as refused:
        in_s3.finish_upload(kept, sha256, len(content), "", [])
    assert refused.value.code == "not_arrived"
    assert put_signed(signed.urls[0], content, signed.headers).status_code == 200
    in_s3.finish_upload(kept, sha256, len(content), "", [])
    with httpx.Client(trust_env=False) as client:
        assert client.get(kept.url()).content == content
        cut = client.get(kept.url(), headers={"Range": "bytes=6-"})
        assert (cut.status_code, cut.content) == (206, b"bytes")
        named = client.get(kept.url("my ü.txt")).headers["content-disposition"]
        assert named == "attachment; filename*=UTF-8''my%20%C3%BC.txt"


def test_uploads_of_others_are_others(in_s3: S3Storage) -> None:
    keep(in_s3, b"mine")
    with in_s3.upload("bob", sha256_of(b"mine")).opened() as found:
        assert found is None, "nobody's word counts for what others sent"


def test_what_is_sent_in_parts_is_there_once_it_is_finished(
    in_s3: S3Storage, s3: S3Server, bucket: str
) -> None:
    content = os.urandom(1 << 20) * 65
    kept, sha256 = in_s3.output(JOB, 1, "big"), sha256_of(content)
    signed = in_s3.sign_upload(kept, sha256, len(content))
    assert len(signed.urls) == 2
    assert signed.part_bytes == PART_BYTES
    again = in_s3.sign_upload(kept, sha256, len(content), signed.upload_id, 2)
    assert (again.first_part, len(again.urls)) == (2, 1)
    etags = [
        put_signed(url, content[start : start + PART_BYTES], {}).headers["etag"]
        for url, start in zip([signed.urls[0], again.urls[0]], (0, PART_BYTES), strict=True)
    ]
    assert s3.keys(bucket) == []
    assert not in_s3.checked(record(("big", content))).outputs[0].available
    assert [key for key, _ in in_s3.bucket.unfinished("lab/")] == [kept.key]
    in_s3.finish_upload(kept, sha256, len(content), signed.upload_id, etags)
    in_s3.finish_upload(kept, sha256, len(content), signed.upload_id, etags)  # its answer got lost
    assert in_s3.checked(record(("big", content))).outputs[0].available
    assert [each[:2] for each in in_s3.bucket.objects("lab")] == [(kept.key, len(content))]


def test_parts_of_which_one_is_missing_are_no_file(in_s3: S3Storage) -> None:
    content = bytes(PART_BYTES + 1)
    kept, sha256 = in_s3.output(JOB, 1, "big"), sha256_of(content)
    signed = in_s3.sign_upload(kept, sha256, len(content))
    with pytest.raises(RequestError) as refused:
        in_s3.finish_upload(kept, sha256, len(content), signed.upload_id, ['"0123"', '"4567"'])
    assert refused.value.code == "not_arrived"


def test_the_largest_file_has_ten_thousand_parts() -> None:
    assert part_bytes_of(PART_BYTES + 1) == PART_BYTES
    size = 5 << 40
    assert -(-size // part_bytes_of(size)) <= 10_000


def test_a_record_is_not_believed_about_what_is_not_there(in_s3: S3Storage, s3: S3Server) -> None:
    kept = in_s3.output(JOB, 1, "there")
    in_s3.bucket._client.put_object(Bucket=in_s3.bucket.name, Key=kept.key, Body=b"three")
    told = in_s3.checked(record(("there", b"three"), ("gone", b"x")))
    assert (told.status, told.reason) == ("failed", "staging")
    assert told.error == "output gone is not in the storage: there is none"
    assert [output.available for output in told.outputs] == [True, False]
    told = in_s3.checked(record(("there", b"four"), status="failed", error="it broke"))
    assert (told.status, told.error) == ("failed", "it broke")
    assert not told.outputs[0].available


def test_a_url_expires(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    storage = storage_of(s3_settings(s3, bucket), tmp_path)
    assert isinstance(storage, S3Storage)
    keep(storage, b"old")
    key = storage.upload("ada", sha256_of(b"old")).key
    with httpx.Client(trust_env=False) as client:
        url = storage.bucket.sign_get(key, 1)

        def is_refused() -> bool:
            return client.get(url).status_code == 403

        wait_until(is_refused, timeout=10)
    storage.close()


def test_what_is_wrong_with_a_bucket_is_said(s3: S3Server, tmp_path: Path) -> None:
    def problem(settings: Settings) -> str:
        storage = storage_of(settings, tmp_path)
        assert isinstance(storage, S3Storage)
        storage.close()
        return storage.problem()

    assert problem(s3_settings(s3, "no-such")) == "s3://no-such: there is no such bucket"
    bucket = s3.new_bucket()
    wrong = problem(s3_settings(s3, bucket, secret_access_key="x"))
    assert "its secret access key is wrong" in wrong
    nobody = problem(s3_settings(s3, bucket, access_key_id="who", secret_access_key="x"))
    assert "its access key is not known there" in nobody or "SignatureDoesNotMatch" in nobody
    away = problem(s3_settings(s3, bucket, endpoint="http://127.0.0.1:9"))
    assert "Could not connect" in away


def test_the_rules_of_others_stay_when_ours_are_set(in_s3: S3Storage, bucket: str) -> None:
    def rule(name: str, days: int = 1) -> dict[str, Any]:
        return {"ID": name, "Status": "Enabled", "Filter": {}, "Expiration": {"Days": days}}

    # no S3 server that the tests can have knows lifecycles
    with Stubber(in_s3.bucket._client) as stub:
        known = {"Rules": [rule("theirs"), rule("kotta-outputs", 2)]}
        where = {"Bucket": bucket}
        stub.add_response("get_bucket_lifecycle_configuration", known, where)
        wanted = {"Rules": [rule("theirs"), rule("kotta-outputs", 3)]}
        asked = {**where, "LifecycleConfiguration": wanted}
        stub.add_response("put_bucket_lifecycle_configuration", {}, asked)
        assert in_s3.bucket.set_lifecycle([rule("kotta-outputs", 3)], "kotta-") == ""
        none = "NoSuchLifecycleConfiguration"
        stub.add_client_error("get_bucket_lifecycle_configuration", none, http_status_code=404)
        stub.add_client_error("put_bucket_lifecycle_configuration", "AccessDenied")
        assert "AccessDenied" in in_s3.bucket.set_lifecycle([rule("kotta-outputs")], "kotta-")
        stub.assert_no_pending_responses()


def test_what_is_written_is_kept_as_the_settings_say(
    s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    own = {"encryption": "aws:kms", "kms_key_id": "key-1", "storage_class": "STANDARD_IA"}
    storage = storage_of(s3_settings(s3, bucket, **own), tmp_path)
    signed = storage.sign_upload(storage.upload("ada", "0" * 64), "0" * 64, 3)
    assert signed.headers == {
        "x-amz-checksum-sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
        "x-amz-storage-class": "STANDARD_IA",
    }
    query = parse_qs(urlsplit(signed.urls[0]).query)
    assert set(signed.headers) < set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert query["X-Amz-Expires"] == ["900"]
    storage.close()


def test_credentials_come_from_where_the_tools_of_aws_have_them(
    s3: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = Settings.model_validate({"storage": f"s3://{bucket}", "s3": {"profile": "lab"}})
    (tmp_path / "config").write_text(
        f"[profile lab]\nregion = us-east-1\nendpoint_url = {s3.url}\n"
    )
    (tmp_path / "credentials").write_text(
        f"[lab]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert bucket_problem(settings) == ""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert bucket_problem(settings).startswith("there are no credentials for S3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
    assert bucket_problem(settings.model_copy(update={"s3": S3Settings()})) == ""


def test_a_full_bucket_is_told_as_that(s3: S3Server, in_s3: S3Storage, bucket: str) -> None:
    s3.limit(bucket, 100)
    with pytest.raises(StorageFullError):
        keep(in_s3, b"x" * 1000)
    s3.limit(bucket, None)
    assert keep(in_s3, b"x" * 1000) == 1000


def test_a_bucket_that_is_away_is_worth_asking_again(
    in_s3: S3Storage, s3: S3Server, tmp_path: Path
) -> None:
    gone = storage_of(s3_settings(s3, "no-such"), tmp_path)
    assert isinstance(gone, S3Storage)
    with pytest.raises(StorageAwayError) as away:
        gone.bucket.read("key", 0, 1)
    assert away.value.retry_after_seconds
    gone.close()
