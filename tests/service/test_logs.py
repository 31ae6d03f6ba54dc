"""What a job writes and uses: where a reader may begin, attempts, samples."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from running_service import RunningService
from waiting import wait_until

TWO_ATTEMPTS = {
    # the shell's parent is its runner
    "executable": "echo attempt $KOTTA_ATTEMPT; sleep 0.3; "
    '[ "$KOTTA_ATTEMPT" = 2 ] || { kill -9 $PPID; exec sleep 60; }; echo made it',
    "retries": 1,
}


def logs(
    service: RunningService, job: dict[str, Any], stream: str = "stdout", **params: Any
) -> httpx.Response:
    answer = service.http.get(f"/jobs/{job['id']}/logs/{stream}", params=params)
    assert answer.status_code == 200, answer.text
    return answer


def samples(service: RunningService, job: dict[str, Any]) -> list[dict[str, Any]]:
    answer = service.http.get(f"/jobs/{job['id']}/usage")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["samples"]
    return found


@pytest.fixture(scope="module")
def counted(shared_service: RunningService) -> dict[str, Any]:
    """A job with more lines than one block of its file holds; the last is not ended."""
    return shared_service.run(executable="seq 100000; printf last", output_file_stdout="n.txt")


@pytest.mark.parametrize(
    ("lines", "text"),
    [(0, ""), (1, "last"), (2, "100000\nlast"), (3, "99999\n100000\nlast")],
)
def test_a_reader_may_begin_some_lines_before_the_end(
    service: RunningService, counted: dict[str, Any], lines: int, text: str
) -> None:
    answer = logs(service, counted, tail=lines)
    assert answer.text == text
    size = int(answer.headers["kotta-log-size"])
    assert int(answer.headers["kotta-offset"]) == size - len(text)
    assert int(answer.headers["kotta-next-offset"]) == size
    assert answer.headers["kotta-log-ended"] == "true"


def test_many_lines_before_the_end_are_found_across_blocks(
    service: RunningService, counted: dict[str, Any]
) -> None:
    lines = logs(service, counted, tail=50_001).text.split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("50001", "last", 50_001)
    for more in (100_001, 100_002, 2_000_000_000):
        assert logs(service, counted, tail=more).headers["kotta-offset"] == "0"


def test_a_line_that_is_ended_counts_once(service: RunningService) -> None:
    job = service.run(executable="printf 'one\\ntwo\\n\\n'")
    assert [logs(service, job, tail=n).text for n in (1, 2, 3)] == ["\n", "two\n\n", "one\ntwo\n\n"]
    assert logs(service, job, "stderr", tail=3).text == ""


def test_a_reader_may_begin_with_what_came_since_a_moment(service: RunningService) -> None:
    job = service.run(executable="echo early; printf ha; sleep 1.2; echo lf; echo late; sleep 0.6")
    measured = samples(service, job)
    half = next(sample for sample in measured if sample["stdout_bytes"] == len("early\nha"))
    assert logs(service, job, since=half["at"]).text == "half\nlate\n"
    assert logs(service, job, since=job["submitted_at"]).text == "early\nhalf\nlate\n"
    assert logs(service, job, since=job["ended_at"]).text == ""
    assert logs(service, job, since=half["at"], tail=1).text == "late\n"
    assert logs(service, job, since=half["at"], tail=3).text == "half\nlate\n"


def test_where_a_waiting_reader_begins_is_found_out_once(service: RunningService) -> None:
    job = service.submit({"executable": "echo old; sleep 1; echo new; sleep 0.3"})[0]
    wait_until(lambda: logs(service, job).text == "old\n")
    answer = logs(service, job, tail=0, wait=20)
    assert (answer.headers["kotta-offset"], answer.text) == ("4", "new\n")


def test_a_reader_of_an_attempt_is_led_to_the_next(own_service: RunningService) -> None:
    job = own_service.submit(TWO_ATTEMPTS)[0]
    own_service.wait(job)
    latest = logs(own_service, job)
    assert (latest.headers["kotta-attempt"], latest.text) == ("2", "attempt 2\nmade it\n")
    first = logs(own_service, job, attempt=1)
    assert first.text == "attempt 1\n"
    assert first.headers["kotta-next-attempt"] == "2"
    assert "kotta-log-ended" not in first.headers
    over = logs(own_service, job, attempt=1, offset=10, wait=20)
    assert (over.text, over.headers["kotta-next-attempt"]) == ("", "2")
    none = own_service.http.get(f"/jobs/{job['id']}/logs/stdout", params={"attempt": 3})
    assert (none.status_code, none.json()["code"]) == (404, "not_found")


def test_samples_are_kept_after_the_end(service: RunningService) -> None:
    job = service.run(executable="timeout 1.3 sh -c 'while :; do :; done'; echo x > f; true")
    start, *_, end = measured = samples(service, job)
    assert (start["seconds"], start["cores"], start["cpu_seconds"]) == (0, None, 0)
    assert len(measured) >= 3
    assert 0.2 < max(sample["cores"] for sample in measured[1:]) < 1.5
    assert max(sample["memory_bytes"] or 0 for sample in measured) > 1 << 16
    assert end["disk_bytes"] > 0
    assert end["cpu_seconds"] == pytest.approx(job["cpu_seconds"], abs=0.01)


def test_a_job_that_has_not_begun_has_no_samples(service: RunningService) -> None:
    waiting = service.submit({"executable": "sleep 30", "cpus": 1})[0]
    job = service.submit({"executable": "true", "after": [waiting["id"]]})[0]
    usage = service.http.get(f"/jobs/{job['id']}/usage").json()
    assert (usage["attempt"], usage["samples"]) == (0, [])
    assert logs(service, job).headers["kotta-attempt"] == "0"


@pytest.mark.local
def test_samples_that_are_damaged_are_left_out(service: RunningService) -> None:
    job = service.run(executable="sleep 0.6")
    path = next((service.data / "jobs").glob(f"*/{job['id']}.1/usage.jsonl"))
    with path.open("a") as file:
        file.write('{"seconds": 1}\n[]\n{"at": 1e300, "seconds": 1}\n{"seco')
    assert len(samples(service, job)) == 3
    path.unlink()
    assert samples(service, job) == []
