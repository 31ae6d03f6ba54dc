"""Whoever watches over a service learns that it cannot do its work, within five seconds."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from shared_service import SharedService

from kotta_service.app import build
from kotta_service.parts import Parts
from kotta_service.settings import Settings
from kotta_service.storage.files import FileStorage
from kotta_service.storage.watching import StorageWatch

WITHIN_SECONDS = 5.0
Ask = Callable[[], Awaitable[tuple[int, list[str]]]]


AWAY = {
    "storage": "s3://lab-files/kotta",
    "s3": {"endpoint": "http://127.0.0.1:9", "access_key_id": "a", "secret_access_key": "b"},
}


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[tuple[Parts, Ask]]:
    """A whole service in this process, and a way to ask whether it is ready."""
    data.mkdir(mode=0o700)
    settings = Settings()
    app = build(settings, data=data, address="here", log_file=None, stop=lambda: None)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://kotta") as client:

            async def ask() -> tuple[int, list[str]]:
                answer = await client.get("/readyz")
                return answer.status_code, answer.json()["lacks"]

            assert await ask() == (200, [])
            yield app.state.parts, ask


async def until(ask: Ask, wanted: tuple[int, list[str]]) -> float:
    """How long it took until the service said so."""
    began = time.monotonic()
    while (found := await ask()) != wanted:
        assert time.monotonic() - began < WITHIN_SECONDS, found
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.slow
def test_a_dispatcher_that_is_stuck_makes_it_not_ready(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path / "data") as (parts, ask):
            release = threading.Event()
            poll = parts.executors.local.poll

            def stuck(keys: Any) -> Any:
                release.wait()
                return poll(keys)

            parts.executors.local.poll = stuck  # type: ignore[method-assign]
            try:
                await until(ask, (503, ["dispatcher"]))
            finally:
                release.set()
            await until(ask, (200, []))

    asyncio.run(main())


def test_a_dispatcher_that_dies_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with running(tmp_path / "data") as (parts, ask):
            poll, died = parts.executors.local.poll, threading.Event()

            def deadly(_keys: Any) -> Any:
                parts.executors.local.poll = poll  # type: ignore[method-assign]
                died.set()
                raise SystemExit("poison")

            parts.executors.local.poll = deadly  # type: ignore[method-assign]
            assert await asyncio.to_thread(died.wait, WITHIN_SECONDS)
            since = time.monotonic()
            while parts.dispatcher.came_round_at < since:
                assert time.monotonic() - since < WITHIN_SECONDS
                await asyncio.sleep(0.05)
            assert await ask() == (200, [])

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "the dispatcher failed; it begins anew" in caplog.text


def test_a_database_that_cannot_be_read_makes_it_not_ready(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path / "data") as (parts, ask):
            file = tmp_path / "data" / "kotta.db"
            kept = tmp_path / "data" / "kept.db"
            with sqlite3.connect(file) as other:
                # the write-ahead log, which the writer keeps open, could still be read
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.close()
            parts.database.engine.dispose()
            file.rename(kept)
            file.write_bytes(b"no database" * 1000)
            await until(ask, (503, ["database"]))
            kept.rename(file)
            await until(ask, (200, []))

    asyncio.run(main())


def test_a_writer_that_is_stuck_makes_it_not_ready(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path / "data") as (parts, ask):
            release = threading.Event()
            parts.database.write(lambda _: release.wait())
            try:
                await until(ask, (503, ["writer"]))
            finally:
                release.set()
            await until(ask, (200, []))

    asyncio.run(main())


def test_who_does_not_wait_for_a_write_does_not_end_the_writer(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path / "data") as (parts, ask):
            release, begun = threading.Event(), threading.Event()

            def first(_: Any) -> None:
                begun.set()
                release.wait()

            parts.database.write(first)
            begun.wait()
            second = parts.database.write(lambda _: None)
            assert second.cancel()
            release.set()
            parts.database.write(lambda _: None).result(5)
            assert await ask() == (200, [])

    asyncio.run(main())


def test_figures_are_told_to_administrators_alone(shared: SharedService) -> None:
    address = f"{shared.url}/metrics"
    assert shared.client().get(address).status_code == 401
    assert shared.client(shared.token("ada")).get(address).json()["code"] == "not_admin"
    assert shared.client(shared.token("eve", ("write",))).get(address).status_code == 403
    shared.run(executable="true")
    told = shared.client(shared.token("eve", ("read",))).get(address)
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    figures = dict(
        line.rsplit(" ", 1) for line in told.text.splitlines() if not line.startswith("#")
    )
    assert figures['kotta_jobs{queue="Test",state="completed"}'] == "1.0"
    assert figures["kotta_jobs_submitted_total"] == "1.0"
    assert float(figures["kotta_writes_total"]) >= float(figures["kotta_commit_seconds_count"]) > 0
    assert float(figures["kotta_dispatcher_round_age_seconds"]) < WITHIN_SECONDS
    counted = 'kotta_request_seconds_count{method="POST",route="/api/v2/jobs",status="201"}'
    assert figures[counted] == "1.0"
    assert "/users" in told.text and '"eve"' not in told.text


def test_a_service_of_ones_own_keeps_no_figures(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path / "data") as (parts, _):
            assert parts.metrics is None

    asyncio.run(main())


def test_a_storage_that_is_away_is_logged_though_nobody_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        settings = Settings.model_validate(AWAY)
        data = tmp_path / "data"
        data.mkdir(mode=0o700)
        app = build(settings, data=data, address="here", log_file=None, stop=lambda: None)
        async with app.router.lifespan_context(app):
            began = time.monotonic()
            while "storage: " not in caplog.text:
                assert time.monotonic() - began < WITHIN_SECONDS
                await asyncio.sleep(0.05)

    asyncio.run(main())


def test_a_storage_that_is_slow_to_answer_is_told_of_once_and_again_when_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, answers = threading.Event(), threading.Event()

    class Slow(FileStorage):
        def problem(self) -> str:
            hangs.set()
            answers.wait()
            return ""

    async def main() -> None:
        watch = StorageWatch(Slow(tmp_path))
        assert await watch.problem() == "it does not answer"
        assert hangs.is_set()
        assert await watch.problem() == "it does not answer"
        answers.set()
        while await watch.problem():
            await asyncio.sleep(0.01)

    monkeypatch.setattr("kotta_service.storage.watching.ANSWER_SECONDS", 0.05)
    asyncio.run(main())
    told = [record.getMessage() for record in caplog.records]
    assert told == ["storage: it does not answer", "storage: it can be used again"]
