"""A service to be harmed, what was promised of its jobs, and the verdict at the end.

A scenario is a function decorated with `scenario`. It harms a real service from outside, as often
as it is told, and gives the figures that it measured; what breaks a promise is an `AssertionError`.
Whatever it leaves to chance it takes from `Trial.chance`, whose seed is printed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
from running_service import TERMINAL, RunningService
from waiting import wait_until

from kotta_service.storage.files import FileStorage
from kotta_service.store.database import Database
from kotta_service.upkeep.checking import Checker, tags_of_processes

Figures = dict[str, float | int]
Run = Callable[["Trial", int], Figures]
SETTINGS = """
grace_seconds = 1
idle_stop_seconds = 0
[queues.Test]
cpus = {cpus}
memory_mib = 100_000
"""


@dataclass(frozen=True)
class Scenario:
    """A way to do harm.

    Attributes:
        figure: what has to come out.
        short: how often it is done in CI.
        full: how often for the figures in docs/guarantees.md.
        longest: how often with `--long`; 0: as often as for those.
    """

    run: Run
    figure: str
    short: int
    full: int
    longest: int = 0

    @property
    def name(self) -> str:
        return self.run.__name__


def scenario(figure: str, *, short: int, full: int, longest: int = 0) -> Callable[[Run], Scenario]:
    """Makes a scenario of the function below."""
    return lambda run: Scenario(run, figure, short, full, longest)


def of_module(module: ModuleType) -> list[Scenario]:
    """The scenarios of a module, in its order."""
    return [each for each in vars(module).values() if isinstance(each, Scenario)]


@dataclass
class Trial:
    """One run of a scenario: a folder, a service that is started by it, and who submitted what.

    Attributes:
        is_measured: whether little else is at work on this machine, so that times are held to.
        log: each job that `command` makes writes here when it starts and when it ends.
        accepted: what was acknowledged: key → id.
    """

    seed: int
    home: Path
    is_measured: bool = False
    chance: random.Random = field(init=False)
    accepted: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.log = self.home / "ran.log"

    def within(self, seconds: float, limit: float) -> float:
        """The seconds that something took, if they are not too many."""
        allowed = limit if self.is_measured else max(60, 5 * limit)
        assert seconds <= allowed, f"took {seconds:.2f} s, and may take {limit} s"
        return seconds

    def service(self, home: Path | None = None, cpus: int = 16, **environment: str) -> Harmed:
        """A service with files of its own, not yet started."""
        home = home or self.home / "s"
        config = home / "config" / "kotta"
        config.mkdir(parents=True)
        (config / "service.toml").write_text(SETTINGS.format(cpus=cpus))
        return Harmed(home, **environment)

    def command(self, work: str = "", *, output: str = "") -> dict[str, Any]:
        """The description of a job that logs its start and its end."""
        told = f"$KOTTA_JOB_ID $KOTTA_ATTEMPT >> {self.log}"
        steps = [f"echo start {told}", work, f"echo {output} > made" if output else ""]
        found = {"executable": "; ".join(filter(None, [*steps, f"echo end {told}"]))}
        return {**found, "outputs": "made"} if output else found

    def logged(self, word: str) -> Counter[tuple[str, str]]:
        """How often each attempt has logged its `start` or its `end`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        words = [line.split() for line in lines]
        return Counter((each[1], each[2]) for each in words if len(each) == 3 and each[0] == word)


class Harmed(RunningService):
    """A service that is killed, stopped, and cut off."""

    def start(self) -> None:
        began = time.monotonic()
        super().start()
        self.ready_seconds = time.monotonic() - began

    def submit_surely(self, trial: Trial, key: str, description: dict[str, Any]) -> str:
        """The id of a job, submitted again and again under its key until that is acknowledged."""
        body = {"jobs": [{**description, "jobname": key}]}
        while True:
            try:
                answer = self.http.post("/jobs", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code in (200, 201):
                trial.accepted[key] = answer.json()["jobs"][0]["id"]
                return trial.accepted[key]
            assert answer.status_code in (503, 507), answer.text
            time.sleep(0.02)

    def jobs(self) -> list[dict[str, Any]]:
        """Every job there is."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.http.get("/jobs", params={"limit": 1000, **cursor}).json()
            found += page["jobs"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def settle(self, seconds: float = 60) -> list[dict[str, Any]]:
        """Every job, once all have ended."""

        def over() -> list[dict[str, Any]] | bool:
            found = self.jobs()
            return all(job["status"] in TERMINAL for job in found) and found

        def left() -> object:
            return [job for job in self.jobs() if job["status"] not in TERMINAL][:5], self.log()

        found = wait_until(lambda: over() or time.sleep(0.1), timeout=seconds, what=left)
        assert isinstance(found, list)
        return found

    def launcher(self) -> int | None:
        """Its launcher's process id, None while there is none."""
        assert self.process is not None
        # a thread has the children that it has started
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for process in (thread / "children").read_text().split():
                    if b"kotta_runner.launcher" in Path(f"/proc/{process}/cmdline").read_bytes():
                        return int(process)
        return None

    def runner(self, job_id: str, attempt: int = 1) -> int | None:
        """The process id of the runner of an attempt, None while it has none."""
        lock = self.data / "jobs" / job_id[:2] / f"{job_id}.{attempt}" / "lock"
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(lock.read_text().split()[0])
        return None


def kill(process: int | None) -> bool:
    """SIGKILL for a process; whether it was there."""
    if process is None:
        return False
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def judge(trial: Trial, service: Harmed) -> None:
    """Holds a service whose jobs have all ended to what was promised, and stops it."""
    found = service.settle()
    by_id = {job["id"]: job for job in found}
    names = Counter(job["name"] for job in found)
    lost = {key: job for key, job in trial.accepted.items() if job not in by_id}
    assert not lost, f"acknowledged, and not there: {lost}"
    assert not (twice := [name for name, count in names.items() if count > 1]), f"twice: {twice}"
    started, ended = trial.logged("start"), trial.logged("end")
    assert not (again := [key for key, count in started.items() if count > 1]), f"again: {again}"
    for job in found:
        if job["status"] == "completed" and job["name"] in trial.accepted:
            attempt = (job["id"], str(job["attempt"]))
            assert (started[attempt], ended[attempt]) == (1, 1), f"completed without a run: {job}"
    service.stop()
    check(service.data)
    ids = set(by_id)
    left = [process for process, tag in tags_of_processes() if tag.partition("/")[0] in ids]
    assert not left, f"processes of jobs that are over: {left}"


def check(data: Path) -> None:
    """Holds a data directory that no service has open to the rules of `kotta admin check`."""
    database = Database(data / "kotta.db")
    try:
        report = Checker(database, FileStorage(data / "files"), data, contents=True).run()
    finally:
        database.close()
    assert not report.broken, report.defects


@contextlib.contextmanager
def new_trial(
    seed: int | None = None, below: Path | None = None, *, is_measured: bool = False
) -> Iterator[Trial]:
    """A trial in a folder of its own, which is removed; services that it left are ended.

    Args:
        seed: of an earlier run, to do the same again.
        below: where the folder is to be.
    """
    given = os.environ.get("KOTTA_TRUST_SEED")
    chosen = seed if seed is not None else int(given or random.SystemRandom().randrange(1 << 32))
    print(f"KOTTA_TRUST_SEED={chosen}", flush=True)
    # short: a socket's path may have 107 bytes at most
    with tempfile.TemporaryDirectory(prefix="kt-", dir=below) as name:
        yield Trial(chosen, Path(name), is_measured)


@contextlib.contextmanager
def running(service: Harmed) -> Iterator[Harmed]:
    """The service, started, and ended at the end of the block whatever happened."""
    service.start()
    try:
        yield service
    finally:
        with contextlib.suppress(AssertionError, httpx.HTTPError):
            service.close()
        if service.process is not None and service.process.poll() is None:
            service.kill()
