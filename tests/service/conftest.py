from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_service import NewParts, RunningService


@pytest.fixture
def home(settled: Callable[[], None]) -> Iterator[Path]:
    # short: a socket's path may have 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        yield Path(name)
        settled()


@pytest.fixture
def stopped_service(home: Path, new_parts: NewParts) -> Iterator[RunningService]:
    service = RunningService(home, KOTTA_SERVICE_GRACE_SECONDS="1", **new_parts(home))
    yield service
    service.close()


@pytest.fixture
def own_service(stopped_service: RunningService) -> RunningService:
    """A service for a test that kills it, or that counts its jobs."""
    stopped_service.start()
    return stopped_service


@pytest.fixture(scope="module")
def shared_service(new_parts: NewParts, settled: Callable[[], None]) -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        parts = new_parts(Path(name))
        service = RunningService(Path(name), KOTTA_SERVICE_GRACE_SECONDS="1", **parts)
        service.start()
        yield service
        service.close()
        settled()


@pytest.fixture
def service(shared_service: RunningService) -> Iterator[RunningService]:
    """A service that other tests of the module use as well; no job of a test outlives it."""
    yield shared_service
    shared_service.cancel_all()
