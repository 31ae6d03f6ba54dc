"""Listing, selecting, and what is refused on the way."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from running_service import RunningService


def ids(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [job["id"] for job in page["jobs"]]


def test_pages_follow_each_other_newest_first(own_service: RunningService) -> None:
    jobs = own_service.submit(*({"executable": "true"} for _ in range(7)))
    seen, cursor = [], None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = own_service.http.get("/jobs", params=params).json()
        seen += ids(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [job["id"] for job in reversed(jobs)]


def test_lists_can_be_narrowed(own_service: RunningService) -> None:
    a = own_service.run(executable="true", jobname="alpha one")
    b = own_service.run(executable="false", jobname="alpha_two", queue="Prod")
    get = own_service.http.get
    assert ids(get("/jobs", params={"status": "failed"}).json()) == [b["id"]]
    both = get("/jobs", params={"status": ["failed", "completed"]}).json()
    assert ids(both) == [b["id"], a["id"]]
    assert ids(get("/jobs", params={"queue": "Prod"}).json()) == [b["id"]]
    assert ids(get("/jobs", params={"name": "alpha*"}).json()) == [b["id"], a["id"]]
    assert ids(get("/jobs", params={"name": "alpha_two"}).json()) == [b["id"]]
    assert ids(get("/jobs", params={"name": "alpha_*"}).json()) == [b["id"]]
    assert ids(get("/jobs", params={"name": "%"}).json()) == []


def test_a_selector_finds_by_id_prefix_name_and_last(own_service: RunningService) -> None:
    first = own_service.submit({"executable": "true", "jobname": "first"})[0]
    last = own_service.submit({"executable": "true", "jobname": first["id"][:8]})[0]

    def select(selector: str) -> list[str]:
        return ids(own_service.http.get("/jobs/select", params={"selector": selector}).json())

    assert select(first["id"]) == [first["id"]]
    assert select(first["id"][:8].upper()) == [first["id"]], "an id wins over a name"
    assert select("first") == [first["id"]]
    assert select("@last") == [last["id"]]
    assert select("nothing") == []
    assert select("' OR 1=1 --") == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/jobs/nope", 404, "not_found"),
        ("GET", "/jobs/nope/outputs/x", 404, "not_found"),
        ("GET", "/jobs/nope/logs/stdout", 404, "not_found"),
        ("POST", "/jobs/nope/cancel", 404, "not_found"),
        ("GET", "/jobs?limit=0", 400, "bad_request"),
        ("GET", "/jobs?cursor=%00", 400, "bad_request"),
        ("GET", "/jobs?cursor=zzzz", 400, "bad_request"),
        ("GET", "/jobs?status=dead", 400, "bad_request"),
        ("GET", "/changes?after=-1", 400, "bad_request"),
        ("GET", "/changes?after=99999999999999999999", 400, "bad_request"),
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/jobs", 405, "method_not_allowed"),
        ("PUT", "/uploads/zz", 400, "bad_request"),
        ("POST", "/runner/reports", 415, "wrong_content_type"),
    ],
)
def test_every_error_is_a_problem(
    service: RunningService, method: str, path: str, status: int, code: str
) -> None:
    answer = service.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["kotta-request-id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"jobs": [', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"jobs": []}', 422),
        (b'{"jobs": [{"executable": "\\ud800"}]}', 422),
        (b'{"jobs": [{"executable": "true", "walltime": 1e999}]}', 422),
        (b'{"jobs": [{"executable": "true", "walltime": NaN}]}', 422),
        (b'{"jobs": "' + b"x" * (64 << 20) + b'"}', 413),
    ],
)
def test_a_hostile_body_is_refused_and_the_service_lives(
    service: RunningService, body: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    assert service.http.post("/jobs", content=body, headers=headers).status_code == status
    assert service.run(executable="true")["status"] == "completed"


def test_what_is_no_file_is_bounded_below_the_uploads_too(service: RunningService) -> None:
    body = b'{"sha256": "' + b"x" * (64 << 20) + b'"}'
    for path in ("/uploads/check", f"/uploads/{'0' * 64}/finish"):
        headers = {"Content-Type": "application/json"}
        assert service.http.post(path, content=body, headers=headers).status_code == 413


def test_a_runner_is_heard_about_its_own_attempt_only(service: RunningService) -> None:
    job = service.submit({"executable": "sleep 30"})[0]
    report = {"job_id": job["id"], "attempt": 1, "phase": "ended"}
    for token in ("", "Bearer x", "Bearer " + "0" * 64):
        answer = service.http.post("/runner/reports", json=report, headers={"Authorization": token})
        assert answer.status_code == 404


@pytest.mark.local
def test_only_this_user_can_read_what_the_service_keeps(service: RunningService) -> None:
    service.run(executable="echo a > a.txt", outputs="a.txt")
    for folder, _, files in os.walk(service.data):
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700, folder
        for name in files:
            path = Path(folder, name)
            assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(service.socket.stat().st_mode) == 0o600


def test_every_route_is_told_of_in_the_page_of_the_api(service: RunningService) -> None:
    page = (Path(__file__).parents[2] / "docs/api.md").read_text()
    told = set(re.findall(r"^\| `([A-Z]+) (/[^ ?`]*)", page, re.MULTILINE))
    paths = service.http.get("/openapi.json").json()["paths"]
    routes = {
        (method.upper(), path.removeprefix("/api/v2").replace("job_id", "id"))
        for path, methods in paths.items()
        for method in methods
    }
    # the figures are a shared service's
    assert routes | {("GET", "/metrics")} == told
