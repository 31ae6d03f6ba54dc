"""The whole surface against the real service."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running_service import RunningService
from waiting import wait_until

from kotta import JobState, Kotta
from kotta.errors import (
    AmbiguousError,
    ConflictError,
    DescriptionError,
    NotFoundError,
    RequestError,
    WaitTimeoutError,
)


def test_a_job_goes_all_the_way(home: Path, real: Kotta) -> None:
    (home / "word.txt").write_text("hello")
    seen: list[JobState] = []
    job = real.submit(
        {"executable": "cat word.txt > out.txt", "inputs": "word.txt", "outputs": "out.txt, no.txt"}
    )
    (job,) = real.wait(job, timeout=30, on_change=lambda job: seen.append(job.status))
    assert job.status is JobState.COMPLETED
    assert seen[-1] is JobState.COMPLETED
    report = real.fetch(job)
    assert (home / job.id / "out.txt").read_text() == "hello"
    assert report.unavailable == ["no.txt"]
    assert real.fetch(job).fetched == []


def test_a_submission_with_the_same_key_is_the_same_job(real: Kotta) -> None:
    first = real.submit({"executable": "true"}, idempotency_key="once")
    assert real.submit({"executable": "true"}, idempotency_key="once").id == first.id
    with pytest.raises(RequestError) as caught:
        real.submit({"executable": "false"}, idempotency_key="once")
    assert caught.value.code == "idempotency_key_reused"


def test_a_job_is_selected_by_id_beginning_name_or_as_the_last(real: Kotta) -> None:
    first = real.submit({"executable": "true", "jobname": "twins"})
    second = real.submit({"executable": "true", "jobname": "twins"})
    for selector in (second.id, second.id[:18], "@last"):
        assert real.select(selector).id == second.id
    with pytest.raises(AmbiguousError) as caught:
        real.select("twins")
    assert [candidate[0] for candidate in caught.value.candidates] == [second.id, first.id]
    with pytest.raises(AmbiguousError):
        real.select("twins")
    assert len(real.select_many("twin*")) == 2
    with pytest.raises(NotFoundError, match="no job is called `nobody`") as missing:
        real.select("nobody")
    assert missing.value.hint
    for nothing in ("", [""]):
        with pytest.raises(RequestError, match="what is to name a job is empty"):
            real.select_many(nothing)
    with pytest.raises(RequestError, match="what is to name a job is empty"):
        real.select("")


def test_lists_are_filtered_and_paged(real: Kotta) -> None:
    names = [f"paged-{number}" for number in range(5)]
    real.wait(real.submit_many([{"executable": "true", "jobname": name} for name in names]))
    found: list[str] = []
    cursor = None
    while True:
        page = real.list(name="paged-*", status=[JobState.COMPLETED], limit=2, cursor=cursor)
        found += [job.name for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == names[::-1]
    assert real.list(name="paged-*", status=["failed"]).jobs == []
    with pytest.raises(RequestError):
        real.list(limit=0)


def test_a_job_that_runs_is_followed_and_cancelled(real: Kotta) -> None:
    job = real.submit({"executable": "echo first; sleep 60"})
    logs = real.logs(job, follow=True)
    assert next(logs) == b"first\n"
    with pytest.raises(WaitTimeoutError):
        real.wait(job.id, timeout=0.05)
    real.cancel(job)
    real.cancel(job)
    assert real.wait(job, timeout=20)[0].status is JobState.CANCELLED
    assert list(logs) == []


def test_a_job_that_has_ended_by_itself_cannot_be_cancelled(real: Kotta) -> None:
    job = real.submit({"executable": "true"})
    real.wait(job)
    with pytest.raises(ConflictError):
        real.cancel(job)


def test_a_job_is_submitted_again_with_changes(real: Kotta) -> None:
    first = real.submit({"executable": "echo $N", "jobname": "twice", "env": {"N": "1"}})
    real.wait(first, timeout=30)
    second = real.rerun(first, env={"N": "2"})
    real.wait(second, timeout=30)
    assert (second.name, second.id == first.id) == ("twice", False)
    assert [b"".join(real.logs(job, "stdout")) for job in (first, second)] == [b"1\n", b"2\n"]


def test_what_does_not_exist_is_not_found(real: Kotta) -> None:
    unknown = "3f0c1d52-6f0f-4c57-8a4e-5d5ed5f0a001"
    for ask in (real.status, real.cancel, real.wait, lambda job: list(real.logs(job))):
        with pytest.raises(NotFoundError):
            ask(unknown)  # type: ignore[operator]


def test_what_only_the_service_knows_is_a_problem_with_a_place(real: Kotta) -> None:
    with pytest.raises(DescriptionError) as caught:
        real.submit_many([{"executable": "true"}, {"executable": "true", "queue": "Nope"}])
    assert [problem.pointer for problem in caught.value.problems] == ["/jobs/1/queue"]


def test_submissions_know_what_ended_while_they_were_answered(real: Kotta) -> None:
    quick, slow = real.submissions(
        [{"executable": "exit 3"}, {"executable": "sleep 100"}], wait_seconds=3
    )
    assert (quick.is_done, quick.latest.exit_code) == (True, 3)
    assert not slow.is_done
    real.cancel(slow.id)
    assert slow.wait(20)
    assert real.submissions([]) == []


def test_many_threads_submit_and_wait_on_one_connection(real: Kotta) -> None:
    def run(number: int) -> JobState:
        return real.wait(real.submit({"executable": "true", "jobname": f"t{number}"}))[0].status

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(run, range(36))) == {JobState.COMPLETED}


def test_a_watch_tells_of_the_end_of_every_job(real: Kotta) -> None:
    changes = real.watch()
    open_ids = {job.id for job in real.submit_many([{"executable": "true"}] * 20)}
    numbers = []
    while open_ids:
        change = next(changes)
        numbers.append(change.number)
        if change.job.status.is_terminal:
            open_ids.remove(change.job.id)
    assert numbers == sorted(set(numbers))


def test_queues_and_the_service_are_told_of(real: Kotta) -> None:
    assert "Test" in [queue.name for queue in real.queues()]
    assert real.service().pid == getattr(real.peek_service(), "pid", None)


def test_a_wait_outlives_the_death_of_the_local_service(home: Path) -> None:
    said: list[str] = []
    with Kotta(notify=said.append) as kotta, ThreadPoolExecutor(1) as pool:
        job = kotta.submit({"executable": "while [ ! -e go ]; do sleep 0.02; done", "outputs": "x"})
        wait_until(lambda: kotta.status(job).status is JobState.PROCESSING)
        waiting = pool.submit(kotta.wait, job, timeout=30)
        os.kill(kotta.service().pid, signal.SIGKILL)
        wait_until(lambda: len(said) == 2, what=lambda: said)
        for place in (home / "share").rglob("work"):
            (place / "go").write_text("")
        assert waiting.result(30)[0].status is JobState.COMPLETED


@pytest.fixture
def on_the_network(shared_service: RunningService) -> Iterator[Kotta]:
    """A connection that is not to the own machine's disk, as far as the library knows."""
    with Kotta(server=f"unix:{shared_service.socket}") as client:
        assert not client.server.is_local
        yield client


def test_large_outputs_come_whole(home: Path, on_the_network: Kotta) -> None:
    kotta = on_the_network
    job = kotta.submit(
        {"executable": "head -c 30000000 /dev/urandom > big.bin", "outputs": "big.bin"}
    )
    kotta.wait(job)
    seen: list[int] = []
    kotta.fetch(job, "here", ["big.bin"], progress=lambda name, done, total: seen.append(done))
    assert (home / "here" / "big.bin").stat().st_size == 30_000_000
    assert seen == sorted(seen)
    assert seen[-1] == 30_000_000
    output = next(each for each in kotta.status(job).outputs if each.name == "big.bin")
    part = home / "here" / f".big.bin.{(output.sha256 or '')[:8]}.part"
    os.rename(home / "here" / "big.bin", part)
    os.truncate(part, 12_345_678)
    seen.clear()
    kotta.fetch(job, "here", ["big.bin"], progress=lambda name, done, total: seen.append(done))
    assert 12_345_678 < seen[0] < 15_000_000
    assert kotta.fetch(job, "here", ["big.bin"]).already_there == ["big.bin"]


def test_outputs_of_the_local_service_are_read_from_disk_and_resumed(home: Path) -> None:
    with Kotta() as kotta:
        job = kotta.submit({"executable": "seq 100000 > n.txt", "outputs": "n.txt"})
        kotta.wait(job)
        content = "".join(f"{number}\n" for number in range(1, 100_001)).encode()
        output = next(each for each in kotta.status(job).outputs if each.name == "n.txt")
        part = home / f".n.txt.{(output.sha256 or '')[:8]}.part"
        part.write_bytes(content[:1000])
        assert kotta.fetch(job, home, ["n.txt"]).fetched == ["n.txt"]
        assert (home / "n.txt").read_bytes() == content


def test_what_a_job_used_is_told(real: Kotta) -> None:
    job = real.submit({"executable": "true", "memory": 64})
    real.wait(job, timeout=30)
    usage = real.usage(job)
    assert (usage.id, usage.attempt, usage.cpus, usage.memory_mib) == (job.id, 1, 1, 64)
    assert usage.samples[0].seconds == 0
    assert usage.samples[-1].cores is not None
    assert real.usage(job, attempt=1) == usage
    with pytest.raises(NotFoundError, match="no attempt 2"):
        real.usage(job, attempt=2)


def test_a_retried_job_is_read_from_its_first_attempt_on(real: Kotta) -> None:
    # the shell's parent is its runner
    kill = '[ "$KOTTA_ATTEMPT" = 2 ] || { kill -9 $PPID; exec sleep 60; }'
    command = f"echo $KOTTA_ATTEMPT; sleep 0.3; {kill}; echo done"
    job = real.submit({"executable": command, "retries": 1})
    wait_until(lambda: b"".join(real.logs(job)) == b"1\n")
    followed = b"".join(real.logs(job, follow=True))
    assert followed.endswith(b"2\ndone\n")
    assert b"".join(real.logs(job)) == b"2\ndone\n"
    assert b"".join(real.logs(job, attempt=1)) == b"1\n"
