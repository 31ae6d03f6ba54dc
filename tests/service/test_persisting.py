"""Threads and tasks that fail and begin anew."""

from __future__ import annotations

import asyncio
import logging

import pytest

from kotta_service import persisting


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisting, "RECOVER_SECONDS", 0.0)


class Work:
    """Fails twice, then ends by itself."""

    def __init__(self) -> None:
        self.begun = 0

    def __call__(self) -> None:
        self.begun += 1
        assert persisting.recovering() == []
        if self.begun < 3:
            raise ValueError(f"time {self.begun}")

    async def as_a_task(self) -> None:
        self()


def test_a_thread_begins_anew_whatever_it_raises(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    with caplog.at_level(logging.ERROR):
        persisting.persist("this work", work)
    assert work.begun == 3
    assert [record.getMessage() for record in caplog.records] == [
        "this work failed; it begins anew"
    ] * 2


def test_so_does_a_task(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    with caplog.at_level(logging.ERROR):
        asyncio.run(persisting.persist_task("this work", work.as_a_task))
    assert work.begun == 3
    assert "time 2" in caplog.text


def test_meanwhile_it_is_known_to_have_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("time.sleep", lambda _: seen.append(persisting.recovering()))
    persisting.persist("the worker", Work())
    assert seen == [["worker"], ["worker"]]
    assert persisting.recovering() == []


def test_a_task_that_is_cancelled_ends() -> None:
    async def endless() -> None:
        await asyncio.sleep(60)

    async def cancel() -> None:
        task = asyncio.create_task(persisting.persist_task("this work", endless))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancel(), 10))
