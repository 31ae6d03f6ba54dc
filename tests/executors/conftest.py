"""Every kind of executor, and launches for it."""

from __future__ import annotations

import contextlib
import os
import pwd
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts import accounts, open_python, passable_folder
from slurm_cluster import SlurmCluster
from waiting import wait_until

from kotta_service.executors import Executor, Key, Sight, Sighting
from kotta_service.executors.router import configured
from kotta_service.settings import load_settings


class Placed:
    """An executor under test, with what it told, and launches that it understands."""

    def __init__(self, open_executor: Callable[[Placed], Executor], root: Path) -> None:
        self.root = root
        self.told: list[tuple[Key, dict[str, Any] | None]] = []
        self.phases: list[tuple[Key, dict[str, float]]] = []
        self._open = open_executor
        self.executor = open_executor(self)
        self.executor.start()
        self._keys: list[Key] = []
        self.isolation: dict[str, Any] = {"kind": "process"}

    def launch(self, command: str, **more: Any) -> dict[str, Any]:
        key = Key(str(uuid.uuid4()), 1)
        self._keys.append(key)
        return {
            "job_id": key.job_id,
            "attempt": key.attempt,
            "directory": str(self.executor.directory(key)),
            "command": command,
            "script": None,
            "inputs": [],
            "outputs": ["a.txt", "out", "err"],
            "stdout": "out",
            "stderr": "err",
            "environment": {"PATH": os.environ["PATH"]},
            "function": None,
            "requirements": "",
            "environments": str(self.root / "environments"),
            "resources": {"queue": "Test", "cpus": 1, "memory_mib": 64, "gpus": 0},
            "walltime_seconds": 60.0,
            "grace_seconds": 1.0,
            "limits": {},
            "isolation": self.isolation,
            "stage_out": {"directory": str(self.root / "outputs" / f"{key.job_id}.1")},
            "service": {"address": "unix:/nowhere", "token": ""},
            **more,
        }

    def outputs(self, key: Key) -> Path:
        """Where the runner of an attempt leaves its outputs."""
        if self.isolation["kind"] == "user":
            return self.executor.directory(key) / "outputs"
        return self.root / "outputs" / f"{key.job_id}.1"

    def submit(self, command: str, **more: Any) -> Key:
        launch = self.launch(command, **more)
        self.executor.submit(launch)
        return Key(launch["job_id"], launch["attempt"])

    def sighting(self, key: Key) -> Sighting | None:
        return self.executor.poll(self._keys).get(key)

    def until(self, key: Key, *sights: Sight, seconds: float = 20) -> Sighting:
        last: list[Sighting | None] = [None]

        def seen() -> Sighting | None:
            last[0] = self.sighting(key)
            return last[0] if last[0] is not None and last[0].sight in sights else None

        found = wait_until(seen, timeout=seconds, what=lambda: last)
        assert found is not None
        return found

    def until_it_runs(self, key: Key) -> None:
        """Until its command has begun, which the marker tells."""
        started = self.executor.directory(key) / "started"
        wait_until(started.exists, timeout=20, what=lambda: self.sighting(key))

    def until_gone(self, key: Key) -> None:
        """Until `cancel` says that nothing of it is left, or its end is on record."""
        wait_until(
            lambda: (
                self.executor.cancel(key)
                or (
                    (found := self.sighting(key)) is not None
                    and found.sight in (Sight.ENDED, Sight.LOST)
                )
            ),
            timeout=20,
        )

    def begin_anew(self) -> None:
        """What a restart of the service does: another executor over the same things."""
        self.executor.stop()
        self.executor = self._open(self)
        self.executor.start()

    def close(self) -> None:
        for key in self._keys:
            with contextlib.suppress(AssertionError):
                self.until_gone(key)
        self.executor.stop()

    def is_gone_from(self, cluster: SlurmCluster) -> bool:
        """Whether nothing of it will write to its folder any more."""
        names = {f"kotta-{key.job_id}-{key.attempt}" for key in self._keys}
        return not names & set(cluster.ask("squeue", "-h", "-a", "-o", "%j").splitlines())


@pytest.fixture(scope="session")
def two_accounts() -> Iterator[list[pwd.struct_passwd]]:
    """Accounts for jobs of Slurm's that are not of whoever runs the tests."""
    with accounts(2) as found:
        yield found


@pytest.fixture(scope="session")
def account(two_accounts: list[pwd.struct_passwd]) -> pwd.struct_passwd:
    return two_accounts[0]


@pytest.fixture(params=["local", "slurm", "slurm-accounts"])
def placed(request: pytest.FixtureRequest) -> Iterator[Placed]:
    """An executor of each kind: what is promised of one holds for all."""
    with passable_folder() as root:
        file = root / "service.toml"
        isolation: dict[str, Any] = {"kind": "process"}
        if request.param == "slurm":
            cluster = request.getfixturevalue("slurm")
            file.write_text(cluster.settings())
        elif request.param == "slurm-accounts":
            cluster = request.getfixturevalue("slurm")
            account = request.getfixturevalue("account")
            root.chmod(0o777)  # commands of tests leave their traces there
            isolation = {"kind": "user", "uid": account.pw_uid, "gid": account.pw_gid, "groups": []}
            queue = f'[queues.Test]\nisolation = "user"\nrun_as = "{account.pw_name}"'
            text = cluster.settings(python=open_python())
            file.write_text(text.replace("[queues.Test]", queue))
        else:
            file.write_text("[queues.Test]\ncpus = 4\nmemory_mib = 4096\n")
        settings = load_settings(file)

        def open_executor(some: Placed) -> Executor:
            executors = configured(
                settings,
                root,
                on_phase=lambda key, timeline, begun=None: some.phases.append((key, timeline)),
                on_exit=lambda key, record, begun=None: some.told.append((key, record)),
            )
            return executors.of("Test")

        some = Placed(open_executor, root)
        some.isolation = isolation
        try:
            yield some
        finally:
            some.close()
            if request.param != "local":
                cluster = request.getfixturevalue("slurm")
                wait_until(lambda: some.is_gone_from(cluster), timeout=20, what=cluster.jobs)
