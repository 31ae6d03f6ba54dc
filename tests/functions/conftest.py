"""A connection to a real service with files of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_service import NewParts, RunningService

from kotta import Kotta


@pytest.fixture(scope="session")
def lasting_service(new_parts: NewParts, settled: Callable[[], None]) -> Iterator[RunningService]:
    # short: a socket's path may have 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="kf-") as name:
        parts = new_parts(Path(name))
        service = RunningService(Path(name), KOTTA_SERVICE_GRACE_SECONDS="1", **parts)
        service.start()
        yield service
        service.close()
        settled()


@pytest.fixture
def konn(lasting_service: RunningService) -> Iterator[Kotta]:
    """A connection to a service that other tests use as well; no job of a test outlives it."""
    with Kotta(server=f"unix:{lasting_service.socket}") as konn:
        yield konn
        lasting_service.cancel_all()


@pytest.fixture
def newcomer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process belongs to somebody with an empty home, whose local service is not running."""
    with tempfile.TemporaryDirectory(prefix="kf-") as name:
        home = Path(name)
        (home / "run").mkdir(mode=0o700)
        for variable in ("KOTTA_SERVER", "KOTTA_PROFILE"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HOME", name)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
        for kind in ("DATA", "CONFIG", "CACHE", "STATE"):
            monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
        monkeypatch.setenv("KOTTA_SERVICE_GRACE_SECONDS", "1")
        yield home
        with Kotta(server="local") as konn:
            if konn.peek_service() is not None:
                konn.stop_service()
