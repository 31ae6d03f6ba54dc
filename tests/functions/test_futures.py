"""Jobs as futures: `KottaJob`'s own interface, and `KottaExecutor`'s."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import os
import queue
import threading
from concurrent.futures import as_completed
from typing import Any

import pytest
from waiting import wait_until

from kotta import Kotta, KottaExecutor, KottaJob, errors, kottajob
from kotta.connection import Connection


def nap(seconds: float) -> float:
    import time

    time.sleep(seconds)
    return seconds


def bad() -> None:
    raise ValueError("no")


def submitted(konn: Kotta, seconds: float) -> KottaJob:
    return kottajob(konn, "Test", 5)(nap).submit(seconds)


def test_result_waits_no_longer_than_its_timeout(konn: Kotta) -> None:
    job = submitted(konn, 1)
    assert not job.done()
    with pytest.raises(errors.WaitTimeoutError):
        job.result(0.05)
    with pytest.raises(TimeoutError):
        job.result(timeout=0)
    assert job.result(20) == 1
    assert job.result(0) == 1
    assert job.done()
    assert job.exception() is None


def test_exception_is_what_result_would_raise(konn: Kotta) -> None:
    job = kottajob(konn, "Test", 5)(bad).submit()
    assert isinstance(job.exception(20), ValueError)


def test_callbacks_are_called_once_with_the_job(konn: Kotta) -> None:
    called: queue.SimpleQueue[KottaJob] = queue.SimpleQueue()
    job = submitted(konn, 0.2)
    job.add_done_callback(called.put)
    assert called.get(timeout=20) is job
    assert job.result(0) == 0.2
    job.add_done_callback(called.put)
    assert called.get(timeout=0) is job
    assert called.empty()


def test_a_callback_that_fails_hurts_nobody(konn: Kotta, caplog: pytest.LogCaptureFixture) -> None:
    first, second = submitted(konn, 0.1), submitted(konn, 0.3)

    def fail(job: KottaJob) -> None:
        raise RuntimeError("my own fault")

    first.add_done_callback(fail)
    assert second.future.result(20) == 0.3
    assert "my own fault" in caplog.text


def test_a_job_can_be_awaited(konn: Kotta) -> None:
    async def both() -> list[float]:
        jobs = [submitted(konn, 0.2), submitted(konn, 0.1)]
        return list(await asyncio.gather(*jobs))

    assert asyncio.run(both()) == [0.2, 0.1]

    async def failing() -> None:
        await kottajob(konn, "Test", 5)(bad).submit()

    with pytest.raises(ValueError, match="no"):
        asyncio.run(failing())


def test_a_job_that_ended_long_ago_can_be_awaited_by_who_attaches(konn: Kotta) -> None:
    job = submitted(konn, 0)
    job.result()
    attached = KottaJob(konn, job_id=job.job_id)
    assert attached.future.result(20) == 0
    running = submitted(konn, 0.5)
    assert KottaJob(konn, job_id=running.job_id).future.result(20) == 0.5


def test_futures_of_jobs_are_accepted_by_as_completed_and_wait(konn: Kotta) -> None:
    jobs = [submitted(konn, seconds) for seconds in (0.8, 0.0)]
    futures = {job.future: job for job in jobs}
    assert [future.result() for future in as_completed(futures, timeout=20)] == [0.0, 0.8]
    done, open_ = concurrent.futures.wait([job.future for job in jobs], timeout=20)
    assert len(done) == 2
    assert not open_


def test_the_executor_is_one(konn: Kotta) -> None:
    with KottaExecutor(konn, "Test", 5) as executor:
        assert isinstance(executor, concurrent.futures.Executor)
        futures = [executor.submit(nap, seconds) for seconds in (0.8, 0.0)]
        assert [future.result() for future in as_completed(futures, timeout=20)] == [0.0, 0.8]
        done, open_ = concurrent.futures.wait(futures, timeout=0)
        assert (len(done), len(open_)) == (2, 0)
        assert list(executor.map(pow, [2, 3], [3, 2], timeout=20)) == [8, 9]
        failing = executor.submit(bad)
        assert isinstance(failing.exception(20), ValueError)
        assert futures[0].job.status() == "completed"
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(nap, 0)


def test_leaving_the_executor_waits_for_its_jobs(konn: Kotta) -> None:
    with KottaExecutor(konn) as executor:
        future = executor.submit(nap, 0.5)
    assert future.done()


def test_a_future_is_cancelled_with_its_job_even_if_that_runs(konn: Kotta) -> None:
    with KottaExecutor(konn) as executor:
        future = executor.submit(nap, 60)
        wait_until(future.running)
        assert future.cancel()
        assert future.cancelled()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
        assert future.job.wait(maxwait=20) == "cancelled"
        ended = executor.submit(nap, 0)
        ended.result(20)
        assert not ended.cancel()


def test_shutdown_can_cancel_what_is_open(konn: Kotta) -> None:
    executor = KottaExecutor(konn)
    futures = [executor.submit(nap, 60) for _ in range(3)]
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)


def test_map_gives_up_after_its_timeout(konn: Kotta) -> None:
    executor = KottaExecutor(konn)
    with pytest.raises(errors.WaitTimeoutError):
        list(executor.map(nap, [60], timeout=0.1))
    function = kottajob(konn, "Test", 5)(nap)
    with pytest.raises(errors.WaitTimeoutError, match="1 of 1"):
        list(function.map([60], ordered=False, timeout=0.1))


def test_large_values_and_failures_arrive_in_futures_as_well(konn: Kotta) -> None:
    def large(number: int) -> bytes:
        if number == 3:
            raise ValueError("three")
        return bytes([number]) * 200_000

    with KottaExecutor(konn) as executor:
        futures = [executor.submit(large, number) for number in range(5)]
        assert isinstance(futures[3].exception(20), ValueError)
        assert [len(futures[number].result(20)) for number in (0, 1, 2, 4)] == [200_000] * 4


def test_one_thread_follows_all_futures(konn: Kotta, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []
    send = Connection.send

    def counted(connection: Connection, method: str, path: str, **how: Any) -> Any:
        requests.append(f"{method} {path}")
        return send(connection, method, path, **how)

    function = kottajob(konn, "Test", 5)(nap)
    function(0)
    with KottaExecutor(konn) as executor:
        executor.submit(nap, 0).result(20)
        monkeypatch.setattr(Connection, "send", counted)
        futures = [executor.submit(nap, 0) for _ in range(60)]
        feeds = [item for item in threading.enumerate() if item.name == "kotta-feed"]
        assert len(feeds) <= 1
        assert [future.result(30) for future in futures] == [0] * 60
    asked = [request for request in requests if request != "POST /jobs"]
    assert {request.split("?")[0] for request in asked} == {"GET /changes"}


def test_a_copy_of_a_job_speaks_of_the_same_submissions(konn: Kotta) -> None:
    job = submitted(konn, 0)
    copied = copy.deepcopy(job)
    assert copied.result(20) == job.result(20) == 0
    assert copied.job_ids == job.job_ids
    copied.desc["jobname"] = "other"
    assert job.desc.get("jobname") != "other"


def test_futures_outlive_a_closed_connection(konn: Kotta) -> None:
    future = submitted(konn, 0.5).future
    konn.close()
    assert future.result(20) == 0.5


def test_who_waits_is_told_when_the_service_stays_away(
    konn: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise errors.ConnectionFailedError("no answer")

    job = submitted(konn, 0.3)
    with monkeypatch.context() as patched:
        patched.setattr("kotta.feed.AWAY_SECONDS", 0)
        patched.setattr("kotta.api.Api.changes", away)
        assert isinstance(job.future.exception(20), errors.ConnectionFailedError)
    # the job went on, and can be asked about again
    assert job.future.result(20) == 0.3


def squared(x: int) -> int:
    return x * x


def test_what_ended_before_it_is_followed_is_heard_of_at_once(konn: Kotta) -> None:
    long = submitted(konn, 60)
    assert not long.future.done()
    short = submitted(konn, 0)
    konn.wait([str(short.job_id)], timeout=20)
    # by now it is asked what comes after that end
    wait_until(lambda: konn.follower._asking > konn.status(str(short.job_id)).change - 1)
    assert short.future.result(5) == 0
    long.cancel()


def padded(number: int) -> str:
    return str(number) * 60_000


def test_more_results_than_fit_one_answer_are_told_in_several(konn: Kotta) -> None:
    start = konn.api.changes(None).last
    assert len(list(kottajob(konn, "Test", 5)(padded).map([0] * 150))) == 150
    seen, after, pages = set[str](), start, 0
    while page := konn.api.changes(after, results=True).changes:
        assert sum(len(each.result.data or "") for each in page if each.result) <= 8 << 20
        seen |= {each.job.id for each in page if each.result}
        after, pages = page[-1].number, pages + 1
    assert (len(seen), pages) == (150, 2)


def test_a_callback_may_wait_for_other_calls(konn: Kotta) -> None:
    square = kottajob(konn, "Test", 5)(squared)
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()
    submitted(konn, 0.2).add_done_callback(lambda _: found.put(list(square.map([1, 2]))))
    assert found.get(timeout=20) == [1, 4]
    future = submitted(konn, 0.2).future
    future.add_done_callback(lambda _: found.put(square.submit(3).future.result(20)))
    assert found.get(timeout=20) == 9
    assert list(square.map([4])) == [16]


def test_a_process_that_was_forked_amid_it_hears_of_all_ends_itself(konn: Kotta) -> None:
    job = submitted(konn, 1)
    future = job.future
    values = kottajob(konn, "Test", 5)(squared).map([2, 3])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            heard = (future.result(20), job.result(20), list(values))
            again = list(kottajob(konn, "Test", 5)(squared).map([4]))
            code = 0 if (heard, again) == ((1, 1, [4, 9]), [16]) else 2
        finally:
            os._exit(code)
    assert (future.result(20), list(values)) == (1, [4, 9])
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_an_executor_waits_for_what_was_mapped_and_cancels_it(konn: Kotta) -> None:
    executor = KottaExecutor(konn, "Test", 5)
    values = executor.map(nap, [0.3, 0.4])
    executor.shutdown()
    assert all(job.status.is_terminal for job in konn.list(limit=2).jobs)
    assert list(values) == [0.3, 0.4]
    executor = KottaExecutor(konn, "Test", 5)
    values = executor.map(nap, [60, 60])
    executor.shutdown(cancel_futures=True)
    with pytest.raises(errors.JobCancelledError):
        next(values)


def test_a_time_that_is_over_is_none_to_wait(konn: Kotta) -> None:
    job = submitted(konn, 1)
    assert job.wait(maxwait=-1) is False
    with pytest.raises(errors.WaitTimeoutError):
        job.result(-0.5)
    assert job.result(20) == 1
