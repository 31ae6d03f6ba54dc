from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import NewDatabase
from running_service import RunningService
from s3_server import NewBucket
from slurm_cluster import SlurmCluster

NewSettings = Callable[[Path], dict[str, str]]
"""Makes what in a service's environment says by what its jobs are run, given its home."""


@pytest.fixture(scope="session")
def new_settings(request: pytest.FixtureRequest) -> NewSettings:
    if request.config.getoption("--executor") == "local":
        return lambda _: {}
    cluster: SlurmCluster = request.getfixturevalue("slurm")

    def written(home: Path) -> dict[str, str]:
        file = home / "service.toml"
        file.write_text(cluster.settings())
        # runners ask the service for the URLs of files that are in S3
        return {
            "KOTTA_SERVICE_SETTINGS": str(file),
            "KOTTA_SERVICE_SLURM_URL": f"unix:{home}/s.sock",
        }

    return written


@pytest.fixture(scope="session")
def settled(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Waits until nothing writes to the folder of a service that is closed."""
    if request.config.getoption("--executor") == "local":
        return lambda: None
    cluster: SlurmCluster = request.getfixturevalue("slurm")
    return cluster.until_idle


@pytest.fixture
def home(settled: Callable[[], None]) -> Iterator[Path]:
    # short: a socket's path may have 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        yield Path(name)
        settled()


@pytest.fixture
def stopped_service(
    home: Path, new_database: NewDatabase, new_bucket: NewBucket, new_settings: NewSettings
) -> Iterator[RunningService]:
    service = RunningService(
        home,
        KOTTA_SERVICE_GRACE_SECONDS="1",
        KOTTA_SERVICE_DATABASE=new_database(),
        **new_bucket(),
        **new_settings(home),
    )
    yield service
    service.close()


@pytest.fixture
def own_service(stopped_service: RunningService) -> RunningService:
    """A service for a test that kills it, or that counts its jobs."""
    stopped_service.start()
    return stopped_service


@pytest.fixture(scope="module")
def shared_service(
    new_database: NewDatabase,
    new_bucket: NewBucket,
    new_settings: NewSettings,
    settled: Callable[[], None],
) -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        service = RunningService(
            Path(name),
            KOTTA_SERVICE_GRACE_SECONDS="1",
            KOTTA_SERVICE_DATABASE=new_database(),
            **new_bucket(),
            **new_settings(Path(name)),
        )
        service.start()
        yield service
        service.close()
        settled()


@pytest.fixture
def service(shared_service: RunningService) -> Iterator[RunningService]:
    """A service that other tests of the module use as well; no job of a test outlives it."""
    yield shared_service
    shared_service.cancel_all()
