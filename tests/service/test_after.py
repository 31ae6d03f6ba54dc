"""Jobs that come after others."""

from __future__ import annotations

from running_service import RunningService


def test_a_job_starts_once_all_it_comes_after_have_completed(service: RunningService) -> None:
    first, second = service.submit({"executable": "sleep 0.3"}, {"executable": "sleep 0.1"})
    last = service.submit({"executable": "true", "after": [first["id"], second["id"]]})[0]
    assert (last["status"], last["waits_for"]) == ("pending", 2)
    ended = service.wait(first, second, last)
    assert [job["status"] for job in ended] == ["completed"] * 3
    assert ended[2]["started_at"] >= max(ended[0]["ended_at"], ended[1]["ended_at"])


def test_what_comes_after_a_failure_is_cancelled_and_so_on(service: RunningService) -> None:
    first = service.submit({"executable": "sleep 0.2; exit 3", "jobname": "first"})[0]
    second = service.submit({"executable": "true", "after": [first["id"]]})[0]
    third = service.submit({"executable": "true", "after": f"{second['id']},{first['id']}"})[0]
    ended = service.wait(first, second, third)
    assert [job["status"] for job in ended] == ["failed", "cancelled", "cancelled"]
    assert [job["reason"] for job in ended] == ["exit", "dependency", "dependency"]
    assert f"job {first['id']} (first)" in ended[1]["error"]


def test_cancelling_ends_what_comes_after(service: RunningService) -> None:
    first = service.submit({"executable": "sleep 30"})[0]
    second = service.submit({"executable": "true", "after": [first["id"]]})[0]
    service.http.post(f"/jobs/{first['id']}/cancel")
    assert [job["status"] for job in service.wait(first, second)] == ["cancelled", "cancelled"]


def test_what_waits_for_others_holds_up_nobody(service: RunningService) -> None:
    first = service.submit({"executable": "sleep 30"})[0]
    waits = service.submit({"executable": "true", "after": [first["id"]]})[0]
    assert service.run(executable="true")["status"] == "completed"
    assert service.status(waits)["status"] == "pending"


def test_after_what_has_completed_is_at_once(service: RunningService) -> None:
    first = service.run(executable="true")
    last = service.submit({"executable": "true", "after": [first["id"]]})[0]
    assert last["waits_for"] == 0
    assert service.wait(last)[0]["status"] == "completed"


def test_after_what_will_never_complete_is_refused(service: RunningService) -> None:
    failed = service.run(executable="false")
    for after, words in ((failed["id"], "has failed"), ("0" * 36, "does not exist")):
        answer = service.http.post("/jobs", json={"jobs": [{"executable": "true", "after": after}]})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/jobs/0/after/0"
        assert words in error["detail"]


def test_what_waits_survives_a_killed_service(own_service: RunningService) -> None:
    first = own_service.submit({"executable": "sleep 0.5"})[0]
    second = own_service.submit({"executable": "true", "after": [first["id"]]})[0]
    own_service.until_status(first, "processing")
    own_service.kill()
    own_service.start()
    assert [job["status"] for job in own_service.wait(first, second)] == ["completed"] * 2
