"""Cancel, walltime, staging, and what people see while a job runs."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
from running_service import RunningService


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The URL of a web server that offers `data.txt`."""
    (tmp_path / "data.txt").write_text("a b c\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.local
def test_cores_are_free_while_large_outputs_are_kept(own_service: RunningService) -> None:
    # sparse, so that keeping it is to hash it
    large = {"executable": "truncate -s 1G big", "outputs": "big", "cpus": 2}
    first, second = own_service.submit(large, {"executable": "true", "cpus": 2})
    kept, next_up = own_service.wait(first, second, seconds=60)
    assert (kept["status"], next_up["status"]) == ("completed", "completed")
    at = {step["status"]: step["at"] for step in kept["timeline"]}
    assert at["staging_outputs"] <= next_up["started_at"] < at["completed"]


@pytest.mark.local
def test_cancelling_a_pending_job_is_immediate(service: RunningService) -> None:
    jobs = service.submit(*({"executable": "sleep 60"} for _ in range(3)))
    answer = service.http.post(f"/jobs/{jobs[2]['id']}/cancel")
    assert answer.json()["status"] == "cancelled"
    again = service.http.post(f"/jobs/{jobs[2]['id']}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


def test_cancelling_a_running_job_ends_it(service: RunningService) -> None:
    job = service.submit({"executable": "sleep 60"})[0]
    service.until_status(job, "processing")
    service.http.post(f"/jobs/{job['id']}/cancel")
    ended = service.wait(job)[0]
    assert (ended["status"], ended["reason"]) == ("cancelled", "user")


def test_cancelling_right_after_submitting_never_runs_or_ends_it(service: RunningService) -> None:
    for _ in range(20):
        job = service.submit({"executable": "sleep 60"})[0]
        assert service.http.post(f"/jobs/{job['id']}/cancel").status_code == 200
        assert service.wait(job)[0]["status"] == "cancelled"


def test_cancel_is_refused_once_completed(service: RunningService) -> None:
    job = service.run(executable="true")
    answer = service.http.post(f"/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_ended")


def test_a_job_past_its_walltime_is_ended_and_keeps_its_outputs(service: RunningService) -> None:
    started = time.monotonic()
    job = service.run(executable="echo early > a.txt; sleep 60", outputs="a.txt", walltime=0.02)
    assert time.monotonic() - started < 10
    assert (job["status"], job["reason"]) == ("failed", "walltime")
    assert service.output(job, "a.txt") == "early\n"


def test_a_killed_command_reports_its_signal(service: RunningService) -> None:
    job = service.run(executable="kill -9 $$")
    assert (job["status"], job["reason"], job["signal"]) == ("failed", "exit", 9)


def test_inputs_come_from_the_web(service: RunningService, web: str) -> None:
    job = service.run(executable="wc -w < data.txt", inputs=f"{web}/data.txt")
    assert service.output(job, "STDOUT.txt").strip() == "3"


def test_an_input_that_answers_404_fails_the_job_with_that_reason(
    service: RunningService, web: str
) -> None:
    job = service.run(executable="true", inputs=[f"{web}/nothing.txt"])
    assert (job["status"], job["reason"]) == ("failed", "staging")
    assert "404" in job["error"]
    assert "nothing.txt" in job["error"]
    assert "processing" not in [step["status"] for step in job["timeline"]]


def test_an_uploaded_file_is_an_input(service: RunningService) -> None:
    content = b"x" * 300_000
    sha256 = hashlib.sha256(content).hexdigest()
    check = {"sha256": [sha256]}
    assert service.http.post("/uploads/check", json=check).json()["missing"] == [sha256]
    assert service.http.put(f"/uploads/{sha256}", content=content).status_code == 201
    assert service.http.put(f"/uploads/{sha256}", content=content).status_code == 200
    assert service.http.post("/uploads/check", json=check).json()["missing"] == []
    job = service.run(executable="wc -c < x.bin", inputs=[f"kotta://uploads/{sha256}/x.bin"])
    assert service.output(job, "STDOUT.txt").strip() == "300000"


@pytest.mark.of_files
def test_an_upload_of_other_bytes_is_refused_and_kept_nowhere(own_service: RunningService) -> None:
    answer = own_service.http.put(f"/uploads/{'0' * 64}", content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (422, "hash_mismatch")
    assert list((own_service.data / "files" / "incoming").iterdir()) == []
    assert list((own_service.data / "files" / "uploads").iterdir()) == []


def test_an_output_is_an_input_of_the_next_job(service: RunningService) -> None:
    first = service.run(executable="echo round one > a.txt", outputs="a.txt")
    second = service.run(executable="cat a.txt", inputs=[f"kotta://jobs/{first['id']}/a.txt"])
    assert service.output(second, "STDOUT.txt") == "round one\n"


def test_an_output_that_was_not_made_cannot_be_an_input(service: RunningService) -> None:
    first = service.run(executable="true", outputs="a.txt")
    second = service.run(executable="cat a.txt", inputs=[f"kotta://jobs/{first['id']}/a.txt"])
    assert (second["status"], second["reason"]) == ("failed", "staging")
    assert "not available" in second["error"]


@pytest.mark.of_files
def test_the_local_service_tells_where_an_output_lies(service: RunningService) -> None:
    job = service.run(executable="printf hello")
    answer = service.http.get(
        f"/jobs/{job['id']}/outputs/STDOUT.txt", headers={"Kotta-Accept": "path"}
    )
    assert answer.status_code == 204
    assert Path(unquote(answer.headers["kotta-path"])).read_text() == "hello"


@pytest.mark.of_files
def test_part_of_an_output_can_be_had(service: RunningService) -> None:
    job = service.run(executable="printf 0123456789")
    url = f"/jobs/{job['id']}/outputs/STDOUT.txt"
    whole = service.http.get(url)
    sha256 = hashlib.sha256(b"0123456789").hexdigest()
    assert whole.headers["etag"] == f'"{sha256}"'
    part = service.http.get(url, headers={"Range": "bytes=4-", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.text) == (206, "456789")
    stale = service.http.get(url, headers={"Range": "bytes=4-", "If-Range": '"other"'})
    assert (stale.status_code, stale.text) == (200, "0123456789")


def test_outputs_are_there_only_once_the_job_has_ended(service: RunningService) -> None:
    job = service.submit({"executable": "echo a > a.txt; sleep 60", "outputs": "a.txt"})[0]
    service.until_status(job, "processing")
    assert service.http.get(f"/jobs/{job['id']}/outputs/a.txt").status_code == 404
    assert not any(output["available"] for output in service.status(job)["outputs"])


def test_what_a_job_writes_can_be_read_while_it_runs(service: RunningService) -> None:
    job = service.submit({"executable": "echo one; sleep 0.4; echo two; echo err >&2; sleep 0.3"})[
        0
    ]
    text, offset, ended = b"", 0, False
    while not ended:
        answer = service.http.get(
            f"/jobs/{job['id']}/logs/stdout", params={"offset": offset, "wait": 5}
        )
        text += answer.content
        offset = int(answer.headers["kotta-next-offset"])
        ended = answer.headers.get("kotta-log-ended") == "true"
    assert text == b"one\ntwo\n"
    assert service.http.get(f"/jobs/{job['id']}/logs/stderr").text == "err\n"


def test_the_feed_tells_every_change_once(own_service: RunningService) -> None:
    start = own_service.http.get("/changes").json()["last"]
    job = own_service.submit({"executable": "sleep 0.3"})[0]
    seen, after = [], start
    while not seen or seen[-1] != "completed":
        page = own_service.http.get("/changes", params={"after": after, "wait": 10}).json()
        assert all(change["number"] > after for change in page["changes"])
        seen += [change["job"]["status"] for change in page["changes"]]
        after = page["last"]
    assert len(seen) == len(set(seen)), "a state was told twice"
    assert own_service.status(job)["change"] == after


def test_a_waiting_feed_answers_at_once(service: RunningService) -> None:
    after = service.http.get("/changes").json()["last"]
    timer = threading.Timer(0.3, lambda: service.submit({"executable": "true"}))
    timer.start()
    started = time.monotonic()
    page = service.http.get("/changes", params={"after": after, "wait": 20}).json()
    assert page["changes"]
    assert time.monotonic() - started < 5
    timer.join()


def test_who_waits_for_a_job_costs_nothing_meanwhile(own_service: RunningService) -> None:
    job = own_service.submit({"executable": "sleep 60"})[0]
    while own_service.status(job)["status"] != "processing":
        time.sleep(0.05)
    # what changes later than it must not look like a change of it
    own_service.run(executable="true")
    assert own_service.process is not None
    service = psutil.Process(own_service.process.pid)
    before = sum(service.cpu_times()[:2])
    found = own_service.http.get(f"/jobs/{job['id']}", params={"wait": 3}).json()
    used = sum(service.cpu_times()[:2]) - before
    assert found["status"] == "processing"
    assert used < 1, f"{used:.1f} s of a processor in 3 s of waiting"
    timer = threading.Timer(0.3, own_service.http.post, [f"/jobs/{job['id']}/cancel"])
    timer.start()
    started = time.monotonic()
    found = own_service.http.get(f"/jobs/{job['id']}", params={"wait": 20}).json()
    assert found["status"] == "cancelled"
    assert time.monotonic() - started < 10
    timer.join()


def test_stopping_does_not_wait_for_those_who_wait(own_service: RunningService) -> None:
    after = own_service.http.get("/changes").json()["last"]
    waiter = threading.Thread(
        target=lambda: own_service.http.get("/changes", params={"after": after, "wait": 25})
    )
    waiter.start()
    time.sleep(0.2)
    started = time.monotonic()
    own_service.stop()
    assert time.monotonic() - started < 5
    waiter.join()
