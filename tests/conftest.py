"""What holds for every test."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import NewDatabase, PostgresServer, postgres_server
from running_service import NewParts
from s3_server import NewBucket, S3Server, s3_server
from slurm_cluster import SlurmCluster, slurm_cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="what the services of tests keep their jobs in",
    )
    parser.addoption(
        "--storage",
        choices=["files", "s3"],
        default="files",
        help="what the services in tests/service, tests/library and tests/functions keep files in",
    )
    parser.addoption(
        "--executor",
        choices=["local", "slurm"],
        default="local",
        help="what the jobs of those services are run by",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what the chosen storage and executor do otherwise by intention."""
    markers = []
    if config.getoption("--storage") != "files":
        markers.append("of_files")
    if config.getoption("--executor") == "slurm":
        markers.append("local")
    out = [item for item in items if any(map(item.get_closest_marker, markers))]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]
    # files that take long are begun first: at the end, none keeps one worker busy alone
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for tests that do not kill it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """Makes the `database` setting of a service with nothing in it."""
    if request.config.getoption("--database") == "sqlite":
        return lambda: ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server for tests that leave it running."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def new_bucket(request: pytest.FixtureRequest) -> NewBucket:
    """Makes the environment of a service that keeps its files in a place of its own."""
    if request.config.getoption("--storage") == "files":
        return dict
    server: S3Server = request.getfixturevalue("s3")
    return lambda: server.environment(server.new_bucket())


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A Slurm for tests that do not kill it."""
    with slurm_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def new_parts(
    request: pytest.FixtureRequest, new_database: NewDatabase, new_bucket: NewBucket
) -> NewParts:
    def made(home: Path) -> dict[str, str]:
        parts = {"KOTTA_SERVICE_DATABASE": new_database(), **new_bucket()}
        if request.config.getoption("--executor") == "local":
            return parts
        cluster: SlurmCluster = request.getfixturevalue("slurm")
        file = home / "service.toml"
        file.write_text(cluster.settings())
        # runners ask the service for the URLs of files that are in S3
        url = f"unix:{home}/s.sock"
        return {**parts, "KOTTA_SERVICE_SETTINGS": str(file), "KOTTA_SERVICE_SLURM_URL": url}

    return made


@pytest.fixture(scope="session")
def settled(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Waits until nothing writes to the folder of a service that is closed."""
    if request.config.getoption("--executor") == "local":
        return lambda: None
    cluster: SlurmCluster = request.getfixturevalue("slurm")
    return cluster.until_idle


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[Any]:
    """In CI all is there that tests need: one that would be skipped shows nothing, and fails."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which no test may be in CI: {report.longrepr[-1]}"
    return report


# neither the keyring of whoever runs the tests is used, nor one that a test has made for itself
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
