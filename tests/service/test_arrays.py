"""One description that stands for many jobs."""

from __future__ import annotations

from typing import Any

import pytest
from running_service import RunningService

from kotta.models import JobDescription
from kotta_service import submission


def test_an_array_is_many_jobs_with_values_filled_in(service: RunningService) -> None:
    jobs = service.submit(
        {
            "executable": "echo {lr} $KOTTA_PARAM_lr ${HOME:+set}",
            "args": "$KOTTA_ARRAY_INDEX/$KOTTA_ARRAY_SIZE",
            "jobname": "train",
            "outputs": "STDOUT.txt",
            "array": [{"lr": 0.1}, {"lr": 0.2}, {"lr": "0.3"}],
        }
    )
    assert len({job["array"] for job in jobs}) == 1
    assert [job["array_index"] for job in jobs] == [0, 1, 2]
    assert [job["name"] for job in jobs] == ["train[0]", "train[1]", "train[2]"]
    service.wait(*jobs)
    said = [service.output(job, "STDOUT.txt") for job in jobs]
    assert said == ["0.1 0.1 set 0/3\n", "0.2 0.2 set 1/3\n", "0.3 0.3 set 2/3\n"]


def test_names_and_outputs_are_filled_in_as_well(service: RunningService) -> None:
    job = service.submit(
        {"executable": "touch {value}.txt", "jobname": "of {value}", "outputs": "{value}.txt",
         "array": ["a", "b"]}
    )[1]  # fmt: skip
    assert job["name"] == "of b"
    assert service.wait(job)[0]["outputs"][0]["name"] == "b.txt"


def test_what_is_not_named_is_left_alone(service: RunningService) -> None:
    job = service.submit(
        {"executable": "echo '{print}' '{x}' \"${x}\"", "array": [{"x": 7}]}
    )[0]  # fmt: skip
    service.wait(job)
    assert service.output(job, "STDOUT.txt") == "{print} 7 \n"


def test_an_entry_that_makes_no_description_is_named(service: RunningService) -> None:
    answer = refused(
        service, {"executable": "true", "outputs": "{n}", "array": [{"n": "a"}, {"n": "b/c"}]}
    )
    assert answer["errors"][0]["pointer"].startswith("/jobs/0/array/1")
    assert refused(service, {"executable": "true", "array": [[1]]})["errors"]
    assert refused(service, {"executable": "true", "array": [{"a b": 1}]})["errors"]


def test_too_many_jobs_are_refused_before_anything_is_made(service: RunningService) -> None:
    many = {"executable": "true", "array": list(range(6000))}
    assert "12000 jobs" in refused(service, many, many)["detail"]


@pytest.mark.parametrize("field", ["inputs", "outputs", "tags", "after", "env"])
def test_lists_that_an_array_multiplies_are_bounded(service: RunningService, field: str) -> None:
    names = [f"https://example.org/{n}" if field == "inputs" else f"n{n}" for n in range(1001)]
    entries = dict.fromkeys(names, "x") if field == "env" else names
    answer = refused(service, {"executable": "true", field: entries, "array": list(range(100))})
    assert answer["detail"].startswith("the lists of these jobs have 100,100 entries together")
    assert "100,000 can be submitted at once" in answer["detail"]
    (problem,) = answer["errors"]
    assert problem["pointer"] == f"/jobs/0/{field}"
    assert problem["detail"] == "has 1,001 entries in each of 100 jobs"


def test_lists_of_many_jobs_are_bounded_together(service: RunningService) -> None:
    short = {"executable": "true", "outputs": ["a"]}
    answer = refused(service, short, *[{**short, "tags": [str(n) for n in range(5_000)]}] * 20)
    assert "have 100,021 entries together" in answer["detail"]
    assert answer["errors"][0]["pointer"] == "/jobs/1/tags"


@pytest.mark.parametrize(
    "description",
    [
        {"script": "#" * 1_000_000, "script_name": "a.sh", "array": list(range(70))},
        {"args": "{x}" * 1_000, "array": [{"x": "y" * 70_000}]},
        {"args": "a {x} b {x}", "array": [{"x": "é" * 6_000}] * 700},
    ],
    ids=["a script", "many places of a long value", "what takes more room than it has letters"],
)
def test_descriptions_that_an_array_multiplies_are_bounded(
    service: RunningService, description: dict[str, Any]
) -> None:
    answer = refused(service, {"executable": "true", **description})
    assert "64 MiB can be submitted at once" in answer["detail"]
    (problem,) = answer["errors"]
    assert problem["pointer"] == "/jobs/0/array"


def test_ten_thousand_jobs_with_some_outputs_each_are_within_the_bounds() -> None:
    many = {"executable": "./fit {value}", "outputs": [f"{n}-{{value}}" for n in range(10)]}
    array = JobDescription.model_validate({**many, "array": list(range(10_000))})
    assert len(submission.expanded([array])) == 10_000
    plain = JobDescription.model_validate({"executable": "true", "outputs": ["a", "b"]})
    assert len(submission.expanded([plain] * 10_000)) == 10_000


def test_an_array_is_submitted_once_by_its_key(service: RunningService) -> None:
    description = {"executable": "true", "array": [1, 2]}
    first = service.submit(description, key="an-array")
    assert [job["id"] for job in service.submit(description, key="an-array")] == [
        job["id"] for job in first
    ]


def refused(service: RunningService, *descriptions: dict[str, Any]) -> dict[str, Any]:
    answer = service.http.post("/jobs", json={"jobs": descriptions})
    assert answer.status_code == 422, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_long_script_name_leaves_room_for_an_index(service: RunningService) -> None:
    described = {"executable": "sh", "script": "true", "script_name": "n" * 254, "array": [1, 2]}
    names = [job["name"] for job in service.submit(described)]
    assert names == ["n" * 253 + "[0]", "n" * 253 + "[1]"]
