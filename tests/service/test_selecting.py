"""What a few characters mean, many cancelled at once, and what would become of jobs."""

from __future__ import annotations

from typing import Any

import pytest
from running_service import RunningService


def selected(service: RunningService, selector: str, **params: Any) -> dict[str, Any]:
    answer = service.http.get("/jobs/select", params={"selector": selector, **params})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["jobs"]]


def test_places_states_tags_and_globs(own_service: RunningService) -> None:
    jobs = own_service.submit(
        {"executable": "true", "jobname": "fit-1", "tags": "a, b"},
        {"executable": "false", "jobname": "fit-2", "tags": "b"},
        {"executable": "sleep 30", "jobname": "long"},
    )
    first, second, third = (job["id"] for job in jobs)
    own_service.wait(*jobs[:2])
    expected = {
        "@last": ([third], False),
        "@1": ([third], False),
        "@3": ([first], False),
        "@4": ([], False),
        "@failed": ([second], True),
        "@open": ([third], True),
        "@ended": ([second, first], True),
        "@cancelled": ([], True),
        "tag=b": ([second, first], True),
        "tag=a": ([first], True),
        "tag=": ([], True),
        "fit-*": ([second, first], True),
        "fit-?": ([second, first], True),
        "fit-1": ([first], False),
        "nothing": ([], False),
        first: ([first], False),
        first[:12].upper(): ([first], False),
    }
    found = {word: selected(own_service, word) for word in expected}
    assert {word: (ids(page), page["is_set"]) for word, page in found.items()} == expected


def test_an_array_is_meant_by_its_id_or_name(service: RunningService) -> None:
    jobs = service.submit({"executable": "true", "jobname": "sweep", "array": [1, 2, 3]})
    newest_first = [job["id"] for job in reversed(jobs)]
    for selector in (jobs[0]["array"], jobs[0]["array"][:13], "sweep", "sweep[*"):
        page = selected(service, selector)
        assert (ids(page), page["is_set"]) == (newest_first, True), selector
    assert ids(selected(service, "sweep[1]")) == [jobs[1]["id"]]


def test_an_array_is_meant_although_its_first_job_is_forgotten(own_service: RunningService) -> None:
    jobs = own_service.submit({"executable": "sleep {value}", "jobname": "fit", "array": [0, 60]})
    own_service.wait(jobs[0])
    assert own_service.http.post("/admin/prune", json={"older_than_seconds": 0}).json()["jobs"] == 1
    for selector in (jobs[0]["array"], jobs[0]["array"][:13], "fit"):
        page = selected(own_service, selector)
        assert (ids(page), page["is_set"]) == ([jobs[1]["id"]], True), selector


def test_a_set_is_read_page_by_page(service: RunningService) -> None:
    jobs = service.submit({"executable": "true", "tags": "paged", "array": list(range(5))})
    first = selected(service, "tag=paged", limit=2)
    second = selected(service, "tag=paged", limit=3, cursor=first["next_cursor"])
    assert ids(first) + ids(second) == [job["id"] for job in reversed(jobs)]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("selector", ["@nothing", "@0", "@-1", "@"])
def test_what_means_nothing_says_what_does(service: RunningService, selector: str) -> None:
    answer = service.http.get("/jobs/select", params={"selector": selector})
    assert answer.status_code == 400
    assert "@failed" in answer.json()["hint"]


@pytest.mark.local
def test_many_are_cancelled_at_once(service: RunningService) -> None:
    running = service.submit({"executable": "sleep 30"})[0]
    service.until_status(running, "processing")
    waiting = service.submit({"executable": "true", "cpus": 2, "array": list(range(20))})
    ended = service.run(executable="true", queue="Prod")
    wanted = [running["id"], ended["id"], *(job["id"] for job in waiting)]
    answer = service.http.post("/jobs/cancel", json={"jobs": wanted})
    assert answer.status_code == 200
    assert [job["id"] for job in answer.json()["jobs"]] == wanted
    states = [job["status"] for job in answer.json()["jobs"]]
    assert states[1:] == ["completed", *["cancelled"] * 20]
    assert service.wait(running)[0]["status"] == "cancelled"


def test_none_is_cancelled_where_one_does_not_exist(service: RunningService) -> None:
    job = service.submit({"executable": "sleep 30"})[0]
    answer = service.http.post("/jobs/cancel", json={"jobs": [job["id"], "0" * 36]})
    assert answer.status_code == 404
    assert service.status(job)["cancel_requested_at"] is None


@pytest.mark.local
def test_a_check_submits_nothing_and_says_what_would_happen(own_service: RunningService) -> None:
    wanted = [
        {"executable": "true", "cpus": 2, "memory": "1 GiB", "walltime": 2},
        {"executable": "true"},
    ]
    answer = own_service.http.post("/jobs/check", json={"jobs": wanted})
    assert answer.status_code == 200
    first, second = answer.json()["jobs"]
    assert (first["cpus"], first["memory_mib"], first["walltime_seconds"]) == (2, 1024, 120)
    assert (first["starts_now"], second["starts_now"], second["ahead"]) == (True, False, 0)
    assert own_service.http.get("/jobs").json()["jobs"] == []
    answer = own_service.http.post("/jobs/check", json={"jobs": [{"executable": "x", "cpus": 99}]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/jobs/0/cpus"


@pytest.mark.local
def test_a_pending_job_knows_its_place(own_service: RunningService) -> None:
    running = own_service.submit({"executable": "sleep 30", "cpus": 2})[0]
    own_service.until_status(running, "processing")
    first, second = own_service.submit({"executable": "true"}, {"executable": "true"})
    third = own_service.submit({"executable": "true", "after": [first["id"]]})[0]
    place = own_service.http.get(f"/jobs/{second['id']}/place").json()
    assert (place["position"], place["head_lacks"]) == (2, "cpus")
    assert place["next_up"]["id"] == first["id"]
    assert [job["id"] for job in place["running"]] == [running["id"]]
    place = own_service.http.get(f"/jobs/{third['id']}/place").json()
    assert [job["id"] for job in place["needs"]] == [first["id"]]
    assert own_service.http.get(f"/jobs/{first['id']}/place").json()["next_up"] is None


def test_a_list_may_be_narrowed_by_tag_array_and_time(service: RunningService) -> None:
    jobs = service.submit({"executable": "true", "tags": "narrow", "array": [1, 2]})
    by_array = service.http.get("/jobs", params={"array": jobs[0]["array"]}).json()
    assert len(by_array["jobs"]) == 2
    since = jobs[0]["submitted_at"]
    found = service.http.get("/jobs", params={"tag": "narrow", "since": since}).json()
    assert len(found["jobs"]) == 2
    later = service.http.get("/jobs", params={"since": "2999-01-01T00:00:00Z"}).json()
    assert later["jobs"] == []
