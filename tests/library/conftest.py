"""A home of its own for every test, a stand-in for the service, and the service itself."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_service import NewParts, RunningService
from waiting import wait_until

from kotta import Kotta
from library.stand_in import StandIn


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This user's home, where nothing is yet, and the current directory."""
    # short: a socket's path may have 107 bytes at most
    path = Path(tempfile.mkdtemp(prefix="kl-"))
    for name in [name for name in os.environ if name.startswith(("KOTTA_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.setenv("XDG_DATA_HOME", str(path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path / "run"))
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (path / "run").mkdir(mode=0o700)
    monkeypatch.chdir(path)
    yield path
    monkeypatch.undo()
    _end_service(path / "share" / "kotta")
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """What answers as the test says."""
    with StandIn() as server:
        yield server


@pytest.fixture
def kotta(stand_in: StandIn) -> Iterator[Kotta]:
    """A connection to the stand-in."""
    with Kotta(server=stand_in.address) as client:
        yield client


@pytest.fixture(scope="module")
def shared_service(new_parts: NewParts, settled: Callable[[], None]) -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="kl-") as name:
        parts = new_parts(Path(name))
        service = RunningService(Path(name), KOTTA_SERVICE_GRACE_SECONDS="1", **parts)
        service.start()
        yield service
        service.close()
        settled()


@pytest.fixture
def real(shared_service: RunningService) -> Iterator[Kotta]:
    """A connection to a real service that the module's tests share."""
    with Kotta(server=f"unix:{shared_service.socket}") as client:
        yield client


def service_pids(data: Path) -> list[int]:
    """Processes of the local service that keeps its data there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"kotta_service" in words and os.fsencode(data) in words:
            found.append(int(entry.name))
    return found


def _end_service(data: Path) -> None:
    for pid in service_pids(data):
        os.kill(pid, signal.SIGKILL)  # it has no jobs, and leaving in good order takes longer
    wait_until(lambda: not service_pids(data), what=lambda: service_pids(data))
