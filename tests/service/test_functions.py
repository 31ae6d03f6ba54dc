"""Calls of Python functions as the service and its runners carry them out."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

import cloudpickle
import psutil
import pytest
from running_service import RunningService
from waiting import wait_until

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
# functions of this module travel by value: where they run, there is no such module
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def call(function: Callable[..., Any], *args: Any, **description: Any) -> dict[str, Any]:
    payload = base64.b64encode(cloudpickle.dumps((function, args, {}))).decode()
    return {
        "jobtype": "python",
        "function": {"name": function.__name__, "python": HERE, "payload": payload},
        **description,
    }


def value_of(job: dict[str, Any]) -> Any:
    result = job["result"]
    content = base64.b64decode(result["data"])
    assert len(content) == result["size_bytes"]
    assert hashlib.sha256(content).hexdigest() == result["sha256"]
    return json.loads(content) if result["format"] == "json" else pickle.loads(content)


def add(a: int, b: int) -> int:
    print("adding", a, b)
    return a + b


def test_a_call_is_an_ordinary_job_with_a_result(service: RunningService) -> None:
    job = service.run(**call(add, 1, 2))
    assert (job["status"], job["reason"], job["exit_code"]) == ("completed", "exit", 0)
    assert (job["name"], job["jobtype"]) == ("add", "python")
    assert value_of(job) == 3
    assert service.output(job, "STDOUT.txt") == "adding 1 2\n"


@pytest.mark.parametrize(
    ("value", "format_"),
    [
        (None, "json"),
        ([1, 2.5, "drei", {"vier": [True]}], "json"),
        (float("inf"), "pickle"),
        ({1: 2}, "pickle"),
        ((1, 2), "pickle"),
        (b"bytes", "pickle"),
        ("half \ud800 a pair", "pickle"),
    ],
)
def test_a_value_comes_back_as_exactly_what_it_was(
    service: RunningService, value: object, format_: str
) -> None:
    job = service.run(**call(lambda: value))
    assert job["result"]["format"] == format_
    assert value_of(job) == value
    assert type(value_of(job)) is type(value)


def test_an_exception_fails_the_job_and_comes_back(service: RunningService) -> None:
    def bad() -> None:
        raise ValueError("boom")

    job = service.run(**call(bad))
    assert (job["status"], job["exit_code"], job["error"]) == ("failed", 1, "ValueError: boom")
    error = job["result"]["error"]
    assert (error["kind"], error["type"], error["message"]) == (
        "exception", "builtins.ValueError", "boom",
    )  # fmt: skip
    assert "test_functions.py" in error["traceback"]
    assert "call.py" not in error["traceback"]
    assert isinstance(pickle.loads(base64.b64decode(error["exception"])), ValueError)
    assert "ValueError: boom" in service.output(job, "STDERR.txt")


@pytest.mark.parametrize(("said", "told"), [("a\0b", r"a\x00b"), ("a\udc80b", r"a\udc80b")])
def test_what_an_exception_says_may_hold_anything(
    service: RunningService, said: str, told: str
) -> None:
    def bad() -> None:
        raise ValueError(said)

    job = service.run(**call(bad))
    assert (job["status"], job["reason"], job["error"]) == ("failed", "exit", f"ValueError: {told}")
    error = job["result"]["error"]
    assert error["message"] == told
    assert str(pickle.loads(base64.b64decode(error["exception"]))) == said


def test_the_name_of_an_exception_may_be_of_any_length(service: RunningService) -> None:
    def bad() -> None:
        raise type("X" * 1100, (Exception,), {})("no")

    job = service.run(**call(bad, retries=1))
    assert (job["status"], job["reason"], job["attempt"]) == ("failed", "exit", 1)
    assert job["error"].endswith("X: no")
    error = job["result"]["error"]
    assert (len(error["type"]), error["message"]) == (1024, "no")
    assert "raise type" in service.output(job, "STDERR.txt")


def test_a_missing_package_is_named(service: RunningService) -> None:
    def needs() -> None:
        import no_such_package  # type: ignore[import-not-found]  # noqa: F401

    error = service.run(**call(needs))["result"]["error"]
    assert error["kind"] == "missing_package"
    assert "no_such_package" in error["message"]


def test_what_cannot_be_pickled_is_named(service: RunningService) -> None:
    error = service.run(**call(lambda: {"fine": 1, "bad": [(letter for letter in "a")]}))["result"][
        "error"
    ]
    assert error["kind"] == "unpicklable_result"
    assert "the result['bad'][0] is a builtins.generator" in error["message"]


def test_another_minor_version_is_refused_with_both_named(service: RunningService) -> None:
    description = call(add, 1, 2)
    description["function"]["python"] = "3.1"
    error = service.run(**description)["result"]["error"]
    assert error["kind"] == "python_version"
    assert "3.1" in error["message"]
    assert HERE in error["message"]


def test_a_large_result_is_an_output(service: RunningService) -> None:
    job = service.run(**call(lambda: b"x" * 200_000))
    result = job["result"]
    assert (result["data"], result["file"]) == (None, "RESULT.pkl")
    content = service.output_bytes(job, "RESULT.pkl")
    assert hashlib.sha256(content).hexdigest() == result["sha256"]
    assert pickle.loads(content) == b"x" * 200_000


def test_a_large_result_leaves_declared_outputs_alone(service: RunningService) -> None:
    def both() -> list[int]:
        with open("RESULT.json", "w") as file:
            file.write("mine")
        return list(range(20_000))

    # one of them is not made, and its name is not free all the same
    declared = ["RESULT.json", "RESULT-2.json"]
    job = service.run(**call(both, outputs=declared))
    assert job["status"] == "completed"
    assert service.output(job, "RESULT.json") == "mine"
    assert job["result"]["file"] == "RESULT-3.json"
    assert json.loads(service.output_bytes(job, "RESULT-3.json")) == list(range(20_000))
    names = [output["name"] for output in job["outputs"]]
    assert sorted(names) == sorted(set(names))


def test_a_large_argument_is_an_input(service: RunningService) -> None:
    payload = cloudpickle.dumps((len, (b"x" * 2_000_000,), {}))
    sha256 = hashlib.sha256(payload).hexdigest()
    service.http.put(f"/uploads/{sha256}", content=payload)
    job = service.run(
        jobtype="python",
        function={"name": "len", "python": HERE, "payload_input": "call.pkl"},
        inputs=[f"kotta://uploads/{sha256}/call.pkl"],
    )
    assert value_of(job) == 2_000_000


@pytest.mark.of_files
def test_a_large_part_of_a_call_is_read_where_it_is_kept(service: RunningService) -> None:
    content = pickle.dumps(b"x" * 2_000_000)
    sha256 = hashlib.sha256(content).hexdigest()
    service.http.put(f"/uploads/{sha256}", content=content)

    def reads(name: str) -> tuple[int, bool]:
        from pathlib import Path

        return Path(name).stat().st_size, Path(name).is_symlink()

    found = {}
    for name in (f".kotta-{sha256[:32]}.pkl", "data.pkl"):
        job = service.run(**call(reads, name, inputs=f"kotta://uploads/{sha256}/{name}"))
        found[name.startswith(".")] = value_of(job)
    # what a person named is theirs to change
    assert found == {True: (len(content), True), False: (len(content), False)}


def test_a_call_sees_its_folder_environment_and_files(service: RunningService) -> None:
    def look() -> list[str]:
        import os
        from pathlib import Path

        Path("made.txt").write_text("made")
        return [Path.cwd().name, os.environ["KOTTA_ATTEMPT"], os.environ["COLOUR"]]

    job = service.run(**call(look, outputs="made.txt", env={"COLOUR": "blue"}))
    assert value_of(job) == ["work", "1", "blue"]
    assert service.output(job, "made.txt") == "made"


def test_two_calls_do_not_draw_the_same_random_numbers(service: RunningService) -> None:
    def draw() -> float:
        import random

        return random.random()

    jobs = service.submit(*(call(draw) for _ in range(4)))
    assert len({value_of(job) for job in service.wait(*jobs)}) == 4


def test_a_call_is_cancelled_and_out_of_walltime_like_a_command(service: RunningService) -> None:
    stuck = service.submit(call(time.sleep, 60))[0]
    service.until_status(stuck, "processing")
    service.http.post(f"/jobs/{stuck['id']}/cancel")
    assert service.wait(stuck)[0]["status"] == "cancelled"
    slow = service.run(**call(time.sleep, 60, walltime=0.01))
    assert (slow["status"], slow["reason"], slow["result"]) == ("failed", "walltime", None)


def test_a_call_that_dies_leaves_no_result(service: RunningService) -> None:
    def die() -> None:
        import os

        os.kill(os.getpid(), 9)

    job = service.run(**call(die))
    assert (job["status"], job["signal"], job["result"]) == ("failed", 9, None)


@pytest.mark.local
def test_a_call_ends_with_its_killed_runner(service: RunningService) -> None:
    def tell() -> None:
        import os
        from pathlib import Path

        Path("pid").write_text(f"{os.getpid()} {os.getppid()}")
        time.sleep(60)

    job = service.submit(call(tell, env={"X": "y"}))[0]
    folder = service.data / "jobs" / job["id"][:2] / f"{job['id']}.1" / "work"
    told = folder / "pid"
    text = wait_until(lambda: told.exists() and told.read_text())
    caller, runner = (psutil.Process(int(word)) for word in str(text).split())
    runner.kill()
    ended = service.wait(job)[0]
    assert (ended["status"], ended["reason"]) == ("failed", "lost")
    wait_until(lambda: not caller.is_running() or caller.status() == psutil.STATUS_ZOMBIE)


def test_results_come_with_the_feed_when_asked_for(service: RunningService) -> None:
    after = service.http.get("/changes").json()["last"]
    jobs = service.wait(*service.submit(*(call(add, i, i) for i in range(3))))
    page = service.http.get("/changes", params={"after": after, "results": True}).json()
    found = {change["job"]["id"]: change["result"] for change in page["changes"]}
    assert [found[job["id"]] for job in jobs] == [job["result"] for job in jobs]
    plain = service.http.get("/changes", params={"after": after}).json()
    assert {change["result"] for change in plain["changes"]} == {None}


def test_status_waits_for_the_end(service: RunningService) -> None:
    job = service.submit(call(time.sleep, 0.3))[0]
    found = service.http.get(f"/jobs/{job['id']}", params={"wait": 20}).json()
    assert found["status"] == "completed"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"function": None}, "needs both"),
        ({"jobtype": "script"}, "needs both"),
        ({"executable": "true"}, "have no use"),
        ({"function": {"name": "f", "python": HERE}}, "one of"),
        ({"function": {"name": "f", "python": "two", "payload": ""}}, "minor version"),
        ({"function": {"name": "f", "python": HERE, "payload": "?"}}, "not base64"),
        ({"function": {"name": "f", "python": HERE, "payload_input": "x"}}, "none of its"),
    ],
)
def test_a_wrong_call_is_refused(
    service: RunningService, changes: dict[str, Any], words: str
) -> None:
    answer = service.http.post("/jobs", json={"jobs": [{**call(add, 1, 2), **changes}]})
    assert answer.status_code == 422
    assert any(words in problem["detail"] for problem in answer.json()["errors"]), answer.text


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_requirements_make_one_environment_that_is_kept(
    service: RunningService, pytestconfig: pytest.Config
) -> None:
    def version() -> list[Any]:
        import os

        import six  # type: ignore[import-untyped]

        return [six.__version__, sys.prefix, os.getpid()]

    wanted = call(version, requirements="# what we need\nsix==1.16.0\n")
    first, second = service.wait(*service.submit(wanted, wanted), seconds=200)
    assert value_of(first)[:2] == value_of(second)[:2]
    assert value_of(first)[0] == "1.16.0"
    third, fourth = service.run(**wanted), service.run(**wanted)
    assert value_of(third)[:2] == value_of(first)[:2]
    assert third["staging_inputs_seconds"] < 2
    if pytestconfig.getoption("--executor") == "local":
        # its Python makes more than one call
        assert value_of(third) == value_of(fourth)
    script = service.run(
        executable="python -c 'import six; print(six.__version__)'", requirements="six==1.16.0"
    )
    assert service.output(script, "STDOUT.txt") == "1.16.0\n"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_failed_install_shows_the_installers_words(service: RunningService) -> None:
    job = service.run(**call(add, 1, 2, requirements="six==99.99"), seconds=200)
    assert (job["status"], job["reason"]) == ("failed", "staging")
    assert "six==99.99" in job["error"]
