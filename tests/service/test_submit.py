from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running_service import RunningService

from kotta_service import news

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_submitted_job_runs_and_its_outputs_can_be_had(service: RunningService) -> None:
    job = service.run(**json.loads((EXAMPLES / "hello.json").read_text()))
    assert (job["status"], job["reason"], job["exit_code"]) == ("completed", "exit", 0)
    assert [output["name"] for output in job["outputs"]] == [
        "foo.txt", "test.sh", "STDOUT.txt", "STDERR.txt",
    ]  # fmt: skip
    assert all(output["available"] for output in job["outputs"])
    assert service.output(job, "foo.txt") == "Hello World\n"
    assert [step["status"] for step in job["timeline"]] == [
        "pending", "staging_inputs", "processing", "staging_outputs", "completed",
    ]  # fmt: skip


def test_a_job_without_its_script_text_lists_the_script_as_not_available(
    service: RunningService,
) -> None:
    job = service.run(**json.loads((EXAMPLES / "echo.json").read_text()))
    assert job["status"] == "completed"
    assert {output["name"]: output["available"] for output in job["outputs"]} == {
        "none.sh": False, "STDOUT.txt": True, "STDERR.txt": True,
    }  # fmt: skip
    assert service.output(job, "STDOUT.txt") == "Hello World!\n"


def test_the_same_key_gives_the_same_jobs_once(own_service: RunningService) -> None:
    first = own_service.submit({"executable": "true"}, {"executable": "true"}, key="k1")
    again = own_service.submit({"executable": "true"}, {"executable": "true"}, key="k1")
    assert [job["id"] for job in first] == [job["id"] for job in again]
    assert len(own_service.http.get("/jobs").json()["jobs"]) == 2


def test_the_same_key_with_another_body_is_refused(service: RunningService) -> None:
    service.submit({"executable": "true"}, key="k1")
    answer = service.http.post(
        "/jobs", json={"jobs": [{"executable": "false"}]}, headers={"Idempotency-Key": "k1"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_an_answer_that_waits_tells_of_ends(service: RunningService) -> None:
    jobs = [{"executable": "true"}, {"executable": "false"}]
    for status in (201, 200):  # sent again, what had ended before is told at once
        answer = service.http.post(
            "/jobs", params={"wait": 20}, json={"jobs": jobs}, headers={"Idempotency-Key": "w"}
        )
        assert answer.status_code == status
        reply = answer.json()
        ends = {change["job"]["id"]: change["job"]["status"] for change in reply["ended"]}
        ids = [job["id"] for job in reply["jobs"]]
        assert ends == dict(zip(ids, ("completed", "failed"), strict=True))


def test_an_answer_waits_no_longer_than_was_asked_for(service: RunningService) -> None:
    began = time.monotonic()
    answer = service.http.post(
        "/jobs", params={"wait": 0.5}, json={"jobs": [{"executable": "sleep 20"}]}
    )
    # other jobs end meanwhile, and are nobody's business here
    assert 0.5 <= time.monotonic() - began < 10
    assert answer.json()["ended"] == []


def test_many_are_waited_for_as_far_as_an_answer_tells_of_them(service: RunningService) -> None:
    jobs = [{"executable": "true"}] * (news.MAX_AWAITED + 5)
    answer = service.http.post("/jobs", params={"wait": 25}, json={"jobs": jobs})
    reply = answer.json()
    ended = [change["job"]["id"] for change in reply["ended"]]
    assert ended == [job["id"] for job in reply["jobs"]][: news.MAX_AWAITED]


@pytest.mark.parametrize("wait", ["26", "-1", "x", ""])
def test_a_wrong_wait_is_refused(service: RunningService, wait: str) -> None:
    answer = service.http.post(
        "/jobs", params={"wait": wait}, json={"jobs": [{"executable": "true"}]}
    )
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("the request is wrong: wait: ")


def test_eight_clients_racing_with_the_same_keys_make_each_job_once(
    own_service: RunningService,
) -> None:
    def client(_: int) -> list[str]:
        return [own_service.submit({"executable": "true"}, key=f"k{i}")[0]["id"] for i in range(20)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(client, range(8)))
    assert all(result == results[0] for result in results)
    assert len(own_service.http.get("/jobs", params={"limit": 1000}).json()["jobs"]) == 20


@pytest.mark.local
def test_all_of_a_submission_is_accepted_or_none(own_service: RunningService) -> None:
    answer = own_service.http.post(
        "/jobs", json={"jobs": [{"executable": "true"}, {"executable": "true", "queue": "Tset"}]}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "pointer": "/jobs/1/queue",
            "detail": "`Tset` is no queue here",
            "hint": "the queues are `Test`, `Prod`",
        }
    ]
    assert own_service.http.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("walltime", 0, "more than 0"),
        ("walltime", "abc", "must be a number"),
        ("walltime", 10**7, "at most"),
        pytest.param("cpus", 999, "cores at most", marks=pytest.mark.local),
        pytest.param("memory", "900 TiB", "MiB at most", marks=pytest.mark.local),
        pytest.param(
            "inputs", ["s3://bucket/key"], "no S3 is configured", marks=pytest.mark.of_files
        ),
        ("inputs", ["data.csv"], "is no URL"),
        ("inputs", ["file:///etc/passwd"], "is no URL"),
        ("inputs", ["kotta://uploads/" + "0" * 64 + "/x"], "has not been uploaded"),
        ("inputs", ["kotta://jobs/nope/x"], "does not exist"),
        ("inputs", ["kotta://jobs/nope/x?y/z"], "is not `kotta://"),
        ("inputs", ["kotta://uploads/" + "0" * 64 + "/x#y/z"], "is not `kotta://"),
        ("inputs", ["KOTTA://uploads/" + "0" * 64 + "/x"], "is not `kotta://"),
        ("outputs", ["../x"], "`/`"),
        ("outputs", [".."], "is a folder"),
        ("outputs", ["a\x00b"], "control character"),
        ("script_name", "a/b", "`/`"),
        ("output_file_stdout", "\x1b[31m", "control character"),
        ("env", {"KOTTA_JOB_ID": "x"}, "cannot be set"),
        ("jobtype", "docker", "must be `script`"),
        ("executable", 5, "must be text"),
        ("exeutable", "x", "is not a known field"),
    ],
)
def test_a_wrong_field_is_named(
    service: RunningService, field: str, value: object, words: str
) -> None:
    answer = service.http.post("/jobs", json={"jobs": [{"executable": "true", field: value}]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problems = answer.json()["errors"]
    assert any(problem["pointer"].startswith(f"/jobs/0/{field}") for problem in problems)
    assert any(words in problem["detail"] for problem in problems), problems


@pytest.mark.parametrize("field", ["cpus", "gpus", "retries", "walltime"])
def test_half_a_character_is_shown_as_what_it_is(service: RunningService, field: str) -> None:
    body = json.dumps({"jobs": [{"executable": "true", field: "\ud800"}]})
    headers = {"content-type": "application/json"}
    answer = service.http.post("/jobs", content=body, headers=headers)
    assert answer.status_code == 422
    assert "\\ud800" in answer.json()["errors"][0]["detail"]


@pytest.mark.local
def test_more_jobs_than_fit_wait_and_run_in_order(service: RunningService) -> None:
    jobs = service.submit(*({"executable": "true", "jobname": f"n{i}"} for i in range(30)))
    ended = service.wait(*jobs)
    assert all(job["status"] == "completed" for job in ended)
    starts = [job["timeline"][1]["at"] for job in ended]
    assert starts == sorted(starts)


@pytest.mark.local
def test_a_queue_holds_what_it_has_room_for(own_service: RunningService) -> None:
    jobs = own_service.submit(*({"executable": "sleep 60"} for _ in range(3)))
    for job in jobs[:2]:
        own_service.until_status(job, "processing")
    queue = own_service.http.get("/queues").json()["queues"][0]
    assert (queue["running"], queue["pending"], queue["cpus_used"]) == (2, 1, 2)
    assert own_service.status(jobs[2])["status"] == "pending"
    own_service.http.post(f"/jobs/{jobs[0]['id']}/cancel")
    own_service.until_status(jobs[2], "processing")


def test_a_failing_command_fails_its_job_and_keeps_its_outputs(service: RunningService) -> None:
    job = service.run(executable="echo made > a.txt; exit 3", outputs="a.txt")
    assert (job["status"], job["reason"], job["exit_code"]) == ("failed", "exit", 3)
    assert service.output(job, "a.txt") == "made\n"


def test_an_executable_that_does_not_exist_fails_with_the_shells_words(
    service: RunningService,
) -> None:
    job = service.run(executable="no-such-program --flag")
    assert (job["status"], job["exit_code"]) == ("failed", 127)
    assert "not found" in service.output(job, "STDERR.txt")


def test_a_job_is_told_its_id_and_attempt_and_no_more_than_it_needs(
    service: RunningService,
) -> None:
    job = service.run(executable="env", env={"COLOUR": "blue"})
    environment = dict(
        line.split("=", 1) for line in service.output(job, "STDOUT.txt").splitlines()
    )
    assert environment["KOTTA_JOB_ID"] == environment["TURING_JOB_ID"] == job["id"]
    assert (environment["KOTTA_ATTEMPT"], environment["COLOUR"]) == ("1", "blue")
    assert not {name for name in environment if "TOKEN" in name or "SERVICE" in name}


def test_a_crlf_script_runs(service: RunningService) -> None:
    job = service.run(
        executable="/bin/bash s.sh", script_name="s.sh", script="#!/bin/bash\r\necho fine\r\n"
    )
    assert service.output(job, "STDOUT.txt") == "fine\n"
