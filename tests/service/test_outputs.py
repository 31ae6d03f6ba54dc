"""How the service sends what jobs have made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from running_service import RunningService

CONTENT = bytes(range(256)) * 8
pytestmark = pytest.mark.of_files


@pytest.fixture(scope="module")
def job(shared_service: RunningService) -> dict[str, Any]:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 8)"
    return shared_service.run(
        executable=f"python3 -c '{script}' > a.bin; : > empty; echo b > b.txt",
        outputs="a.bin, empty, b.txt, never",
    )


def ask(service: RunningService, job: dict[str, Any], name: str = "a.bin", **headers: str) -> Any:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return service.http.get(f"/jobs/{job['id']}/outputs/{name}", headers=named)


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=2000-", 2000, 2048),
        ("bytes=-48", 2000, 2048),
        ("bytes=-5000", 0, 2048),
        ("bytes=2040-9999", 2040, 2048),
        ("BYTES=0-2047", 0, 2048),
    ],
)
def test_a_range_is_sent_and_named(
    service: RunningService, job: dict[str, Any], asked: str, begin: int, end: int
) -> None:
    answer = ask(service, job, Range=asked)
    assert (answer.status_code, answer.content) == (206, CONTENT[begin:end])
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/2048"
    assert answer.headers["content-length"] == str(end - begin)


def test_a_large_file_is_the_same_whether_it_lies_in_memory_or_not(
    service: RunningService,
) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(251)) * 6000)"
    job = service.run(executable=f"python3 -c '{code}' > large", outputs="large")
    path = unquote(ask(service, job, "large", Kotta_Accept="path").headers["kotta-path"])
    content = bytes(range(251)) * 6000
    for advice in (os.POSIX_FADV_WILLNEED, os.POSIX_FADV_DONTNEED):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, advice)
        answer = ask(service, job, "large", Range="bytes=100-")
        assert answer.status_code == 206
        assert answer.content == content[100:]


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "5-6"])
def test_what_is_no_single_range_gets_all_of_the_file(
    service: RunningService, job: dict[str, Any], asked: str
) -> None:
    answer = ask(service, job, Range=asked)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("asked", ["bytes=2048-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(
    service: RunningService, job: dict[str, Any], asked: str
) -> None:
    answer = ask(service, job, Range=asked)
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */2048")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_range_of_another_version_gets_all_of_the_file(
    service: RunningService, job: dict[str, Any]
) -> None:
    etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert ask(service, job).headers["etag"] == etag
    assert ask(service, job, Range="bytes=1-2", If_Range=etag).status_code == 206
    for other in ('"another"', f"W/{etag}", "Wed, 21 Oct 2025 07:28:00 GMT"):
        answer = ask(service, job, Range="bytes=1-2", If_Range=other)
        assert (answer.status_code, answer.content) == (200, CONTENT)


def test_an_empty_file_is_sent_whole_and_has_no_range(
    service: RunningService, job: dict[str, Any]
) -> None:
    assert ask(service, job, "empty").content == b""
    assert ask(service, job, "empty", Range="bytes=0-0").status_code == 416


def many(service: RunningService, job: dict[str, Any], *names: str, **headers: str) -> Any:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return service.http.post(
        f"/jobs/{job['id']}/outputs", json={"names": list(names)}, headers=named
    )


def test_several_files_come_one_after_another_in_the_order_asked_for(
    service: RunningService, job: dict[str, Any]
) -> None:
    answer = many(service, job, "b.txt", "empty", "a.bin", "b.txt")
    assert (answer.status_code, answer.content) == (200, b"b\n" + CONTENT + b"b\n")
    assert answer.headers["content-length"] == "2052"


def test_several_files_lie_in_one_folder_of_this_machine(
    service: RunningService, job: dict[str, Any]
) -> None:
    answer = many(service, job, "b.txt", "a.bin", Kotta_Accept="path")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (Path(unquote(answer.headers["kotta-path"])) / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("names", [["b.txt", "never"], ["../../kotta.db"], ["b.txt", "nothing"]])
def test_one_that_is_not_there_refuses_them_all(
    service: RunningService, job: dict[str, Any], names: list[str]
) -> None:
    assert many(service, job, *names).status_code == 404


@pytest.mark.parametrize("names", [[], ["a"] * 1001])
def test_none_and_too_many_are_refused(
    service: RunningService, job: dict[str, Any], names: list[str]
) -> None:
    assert many(service, job, *names).status_code == 422


def test_jobs_of_nobody_have_no_files(service: RunningService) -> None:
    assert many(service, {"id": "no-such-job"}, "a").status_code == 404


def test_a_caller_who_leaves_half_way_is_forgotten(
    service: RunningService, job: dict[str, Any]
) -> None:
    large = service.run(executable="truncate -s 200M large.bin", outputs="large.bin")
    path = f"/jobs/{large['id']}/outputs/large.bin"
    for _ in range(3):
        with service.http.stream("GET", path) as answer:
            chunks: Iterator[bytes] = answer.iter_raw()
            next(chunks)
    assert ask(service, job).content == CONTENT
    assert "Traceback" not in service.log()
