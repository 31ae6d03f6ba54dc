from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from kotta import JobDescription, Kotta, submitting
from kotta.errors import (
    ConnectionFailedError,
    DescriptionError,
    ServiceFaultError,
    StorageFullError,
    TransferError,
)
from library.stand_in import Reply, Request, StandIn, a_job, a_problem, as_json


class Accepting:
    """Accepts jobs as the service does, and keeps uploads."""

    def __init__(self, stand_in: StandIn) -> None:
        self.submitted: list[tuple[str, list[dict[str, Any]]]] = []
        self.uploads: dict[str, bytes] = {}
        stand_in.answer = self.answer

    def answer(self, request: Request) -> Reply | None:
        if request.line == "POST /uploads/check":
            return as_json(
                {"missing": [s for s in request.json["sha256"] if s not in self.uploads]}
            )
        if request.method == "PUT":
            sha256 = request.path.rpartition("/")[2]
            if hashlib.sha256(request.body).hexdigest() != sha256:
                return a_problem(422, "hash_mismatch")
            self.uploads[sha256] = request.body
            return Reply(b"null", 201)
        jobs = request.json["jobs"]
        self.submitted.append((request.headers["idempotency-key"], jobs))
        return as_json({"jobs": [a_job() for _ in jobs]}, 201)


@pytest.fixture
def service(stand_in: StandIn) -> Accepting:
    return Accepting(stand_in)


def test_a_description_may_be_a_dict_or_a_model(service: Accepting, kotta: Kotta) -> None:
    kotta.submit({"executable": "true", "walltime": "5"})
    kotta.submit(JobDescription(executable="true", walltime=5))
    assert service.submitted[0][1] == service.submitted[1][1]
    assert service.submitted[0][0] != service.submitted[1][0]


def test_thousands_of_jobs_go_in_parts_that_can_be_repeated(
    service: Accepting, kotta: Kotta
) -> None:
    descriptions = [{"executable": "true", "jobname": f"j{n}"} for n in range(2500)]
    assert len(kotta.submit_many(descriptions, idempotency_key="mine")) == 2500
    again = list(service.submitted)
    kotta.submit_many(descriptions, idempotency_key="mine")
    assert [key for key, _ in again] == ["mine/0", "mine/1000", "mine/2000"]
    assert service.submitted == again + again
    assert [job["jobname"] for _, jobs in again for job in jobs] == [f"j{n}" for n in range(2500)]


def test_parts_are_bounded_in_bytes_too(
    service: Accepting, kotta: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "PART_BYTES", 10_000)
    script = {"script": "é" * 1000, "script_name": "a"}  # 6,000 bytes of JSON
    kotta.submit_many([script] * 3)
    assert [len(jobs) for _, jobs in service.submitted] == [1, 1, 1]


def test_nothing_to_submit_asks_nothing(
    service: Accepting, stand_in: StandIn, kotta: Kotta
) -> None:
    assert kotta.submit_many([]) == []
    assert stand_in.requests == []


def test_every_problem_of_every_description_is_told_before_anything_is_sent(
    stand_in: StandIn, kotta: Kotta
) -> None:
    with pytest.raises(DescriptionError) as caught:
        kotta.submit_many(
            [{"executable": "true"}, {"walltime": -1, "queu": "x"}, {"executable": 3}]
        )
    pointers = {problem.pointer for problem in caught.value.problems}
    assert pointers == {"/jobs/1/walltime", "/jobs/1/queu", "/jobs/2/executable"}
    assert stand_in.requests == []


def test_a_problem_in_a_later_part_points_into_the_whole_list(
    service: Accepting, stand_in: StandIn, kotta: Kotta
) -> None:
    errors = [{"pointer": "/jobs/7/queue", "detail": "is not one"}]
    refused = a_problem(422, "bad_description", errors=errors)
    accepts = stand_in.answer
    stand_in.answer = lambda request: refused if service.submitted else accepts(request)
    with pytest.raises(DescriptionError) as caught:
        kotta.submit_many([{"executable": "true"}] * 1010)
    assert [problem.pointer for problem in caught.value.problems] == ["/jobs/1007/queue"]
    assert caught.value.hint == "the first 1000 jobs are submitted"


def test_an_error_between_two_parts_says_what_is_submitted(
    service: Accepting, stand_in: StandIn, kotta: Kotta
) -> None:
    full = a_problem(507, "storage_full", hint="make room")
    accepts = stand_in.answer
    stand_in.answer = lambda request: full if service.submitted else accepts(request)
    with pytest.raises(StorageFullError) as caught:
        kotta.submit_many([{"executable": "true"}] * 1001)
    assert caught.value.hint == "make room; the first 1000 jobs are submitted"


def test_fewer_jobs_than_were_sent_is_no_answer(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(as_json({"jobs": []}, 201))
    with pytest.raises(ServiceFaultError):
        kotta.submit({"executable": "true"})


def test_local_inputs_are_sent_once_each_and_named_by_their_content(
    home: Path, service: Accepting, kotta: Kotta
) -> None:
    (home / "a.txt").write_bytes(b"same")
    (home / "b c.txt").write_bytes(b"same")
    inputs = ["a.txt", "~/b c.txt", "http://example.org/c"]
    kotta.submit_many([{"executable": "true", "inputs": inputs}] * 2)
    sha256 = hashlib.sha256(b"same").hexdigest()
    assert service.uploads == {sha256: b"same"}
    for job in service.submitted[0][1]:
        assert job["inputs"] == [
            f"kotta://uploads/{sha256}/a.txt",
            f"kotta://uploads/{sha256}/b%20c.txt",
            "http://example.org/c",
        ]


def test_what_the_service_has_is_not_sent_again(
    home: Path, service: Accepting, stand_in: StandIn, kotta: Kotta
) -> None:
    (home / "a.txt").write_bytes(b"same")
    seen: list[tuple[str, int, int]] = []
    url = kotta.upload("a.txt")
    assert kotta.upload("a.txt", lambda *progress: seen.append(progress)) == url
    assert stand_in.lines.count(f"PUT /uploads/{hashlib.sha256(b'same').hexdigest()}") == 1
    assert seen == [("a.txt", 4, 4)]


@pytest.mark.parametrize(
    ("name", "words"), [("nothing", "is not there"), ("folder", "is no regular file")]
)
def test_an_input_that_cannot_be_sent_is_a_problem_of_its_place(
    home: Path, stand_in: StandIn, kotta: Kotta, name: str, words: str
) -> None:
    (home / "folder").mkdir()
    with pytest.raises(DescriptionError, match=words) as caught:
        kotta.submit({"executable": "true", "inputs": ["http://example.org/c", name]})
    assert caught.value.problems[0].pointer == "/jobs/0/inputs/1"
    assert stand_in.requests == []


def test_a_pipe_is_refused_without_waiting_for_its_other_end(home: Path, kotta: Kotta) -> None:
    os.mkfifo(home / "pipe")
    with pytest.raises(TransferError, match="no regular file"):
        kotta.upload("pipe")


def test_an_upload_that_is_cut_is_sent_again_from_its_beginning(
    home: Path, service: Accepting, stand_in: StandIn, kotta: Kotta
) -> None:
    content = os.urandom(3 << 20)
    (home / "a.bin").write_bytes(content)
    accepts, cuts = stand_in.answer, [True, True]

    def answer(request: Request) -> Reply | None:
        return None if request.method == "PUT" and cuts and cuts.pop() else accepts(request)

    stand_in.answer = answer
    kotta.upload("a.bin")
    assert list(service.uploads.values()) == [content]


class Tampering:
    """Changes the file once the service has been asked whether it has it."""

    def __init__(self, stand_in: StandIn, path: Path, content: bytes) -> None:
        self._accepts, self._path, self._content = stand_in.answer, path, content
        stand_in.answer = self

    def __call__(self, request: Request) -> Reply | None:
        if request.line == "POST /uploads/check":
            self._path.write_bytes(self._content)
        return self._accepts(request)


@pytest.mark.parametrize("content", [b"", b"longer than before", b"short", b"another"])
def test_a_file_that_changes_while_it_is_sent_is_an_error(
    home: Path, service: Accepting, stand_in: StandIn, kotta: Kotta, content: bytes
) -> None:
    (home / "a.txt").write_bytes(b"content")
    Tampering(stand_in, home / "a.txt", content)
    with pytest.raises((TransferError, ConnectionFailedError), match="changed while"):
        kotta.upload("a.txt")
    assert service.uploads == {}
