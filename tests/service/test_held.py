"""Jobs that the launcher has before there is room for them, where those before them end quickly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from running_service import RunningService
from sqlalchemy import select
from waiting import wait_until

from kotta.models import JobDescription
from kotta_service.jobs import begin as begin_held
from kotta_service.rooms import HELD_FOR_A_PLACE, Room
from kotta_service.settings import QueueSettings, Settings
from kotta_service.store import queues
from kotta_service.store.backends import backend_of
from kotta_service.store.database import Database, Transaction
from kotta_service.store.jobs import JobRow, summary_by_id, transitions_of
from kotta_service.store.migration import prepare
from kotta_service.store.queues import Load
from kotta_service.store.schema import jobs
from kotta_service.submission import expanded, submit

pytestmark = pytest.mark.local  # a cluster counts by itself
WAITING = 3


def held(service: RunningService) -> list[str]:
    """Ids of the jobs that are held, in order."""
    place = service.environment.get("KOTTA_SERVICE_DATABASE") or service.data / "kotta.db"
    backend = backend_of(place)
    is_held = jobs.c.status == "pending", jobs.c.handed_over_at.is_not(None)
    try:
        with backend.reader.connect() as connection:
            found = connection.execute(select(jobs.c.id).where(*is_held).order_by(jobs.c.number))
            return list(found.scalars())
    finally:
        backend.close()


def cores_of(service: RunningService) -> int:
    (queue,) = [
        each for each in service.http.get("/queues").json()["queues"] if each["name"] == "Test"
    ]
    return int(queue["cpus"])


@dataclass
class Full:
    """A queue whose cores are taken, and whose next jobs are held."""

    service: RunningService
    running: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    folder: Path

    def go_on(self) -> None:
        """Lets those that run end."""
        (self.folder / "go-on").touch()

    def ran(self) -> list[str]:
        """Which of those that wait have run, by their places, in order."""
        file = self.folder / "ran"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def full(own_service: RunningService) -> Full:
    folder = own_service.home
    blocker = {"executable": f"until [ -e {folder}/go-on ]; do sleep 0.05; done"}
    cores = cores_of(own_service)
    waiting = [{"executable": f"echo {place} >> {folder}/ran"} for place in range(WAITING)]
    found = own_service.submit({"executable": "true"}, *[blocker] * cores, *waiting)
    full = Full(own_service, found[1 : 1 + cores], found[1 + cores :], folder)
    ids = [job["id"] for job in full.waiting]
    wait_until(lambda: held(own_service) == ids, timeout=15, what=lambda: held(own_service))
    return full


def test_what_is_held_is_pending_until_one_before_it_ends_and_begins_in_order(full: Full) -> None:
    assert [full.service.status(job)["status"] for job in full.waiting] == ["pending"] * WAITING
    assert full.ran() == []
    full.go_on()
    ended = full.service.wait(*full.running, *full.waiting)
    assert {job["status"] for job in ended} == {"completed"}
    assert sorted(full.ran()) == [str(place) for place in range(WAITING)]
    for job in ended:
        moments = [step["at"] for step in job["timeline"]]
        assert moments == sorted(moments)
        assert [step["status"] for step in job["timeline"]][:3] == [
            "pending",
            "staging_inputs",
            "processing",
        ]
    assert held(full.service) == []


def test_what_is_held_runs_once_though_the_service_is_killed(full: Full) -> None:
    full.service.kill()
    full.service.start()
    full.go_on()
    ended = full.service.wait(*full.running, *full.waiting)
    assert {(job["status"], job["attempt"]) for job in ended} == {("completed", 1)}
    assert sorted(full.ran()) == [str(place) for place in range(WAITING)]


def test_what_is_held_runs_once_though_those_before_it_end_while_there_is_no_service(
    full: Full,
) -> None:
    full.service.kill()
    full.go_on()
    full.service.start()
    ended = full.service.wait(*full.running, *full.waiting)
    assert {(job["status"], job["attempt"]) for job in ended} == {("completed", 1)}
    assert sorted(full.ran()) == [str(place) for place in range(WAITING)]


def test_what_is_held_runs_once_though_the_launcher_is_killed(full: Full) -> None:
    assert full.service.process is not None
    (launcher,) = [
        child
        for child in psutil.Process(full.service.process.pid).children()
        if "kotta_runner.launcher" in child.cmdline()
    ]
    launcher.kill()
    full.go_on()
    ended = full.service.wait(*full.running, *full.waiting)
    assert {(job["status"], job["attempt"]) for job in ended} == {("completed", 1)}
    assert sorted(full.ran()) == [str(place) for place in range(WAITING)]


@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_held_and_cancelled_has_ended_on_return_and_never_runs(
    full: Full, at_once: bool
) -> None:
    cancelled = full.waiting[1]
    if at_once:
        answer = full.service.http.post("/jobs/cancel", json={"jobs": [cancelled["id"]]})
        (told,) = answer.json()["jobs"]
    else:
        told = full.service.http.post(f"/jobs/{cancelled['id']}/cancel").json()
    assert (told["status"], told["reason"]) == ("cancelled", "user")
    full.go_on()
    full.service.wait(*full.running, *full.waiting)
    assert sorted(full.ran()) == ["0", "2"]
    assert full.service.run(executable="true")["status"] == "completed"


def test_there_run_no_more_at_once_than_there_are_cores(own_service: RunningService) -> None:
    log = own_service.home / "log"
    command = f"echo begin >> {log}; sleep 0.03; echo end >> {log}"
    count = 60
    own_service.wait(*own_service.submit(*[{"executable": command}] * count), seconds=60)
    lines = log.read_text().split()
    at_once, most = 0, 0
    for line in lines:
        at_once += 1 if line == "begin" else -1
        most = max(most, at_once)
    assert (len(lines), most) == (2 * count, cores_of(own_service))


def test_what_begins_one_after_another_is_told_of_so(own_service: RunningService) -> None:
    ended = own_service.wait(*own_service.submit(*[{"executable": "true"}] * 200), seconds=60)
    begun = [job["timeline"][1]["at"] for job in ended]
    assert begun == sorted(begun)
    for job in ended:
        moments = [step["at"] for step in job["timeline"]]
        assert moments == sorted(moments)


def test_what_the_launcher_began_before_it_was_told_to_has_begun_then(tmp_path: Path) -> None:
    database = Database(tmp_path / "kotta.db")
    prepare(database.backend)
    settings = Settings()
    wanted = expanded([JobDescription(executable="true")])
    database.start()

    def submitted(transaction: Transaction) -> JobRow:
        return submit(transaction, settings, "ada", wanted, key=None, body_sha256="", now=10.0)[0][
            0
        ]

    try:
        row = database.write(submitted).result()
        database.write(lambda tx: queues.start_attempts(tx, [row], 12.0)).result()
        for heard, known in ((13.0, 12.0), (11.0, 11.0)):

            def begin(transaction: Transaction, at: float = heard) -> None:
                found = summary_by_id(transaction.connection, row.id)
                assert found is not None
                begin_held(transaction, found, at)

            database.write(begin).result()
            with database.read() as connection:
                steps = [(step.status, step.at) for step in transitions_of(connection, row.number)]
            assert steps == [("pending", 10.0), ("staging_inputs", known)]
    finally:
        database.close()


@pytest.fixture
def job() -> JobRow:
    """A job of one core and 100 MiB."""

    class Row:
        cpus = 1
        memory_mib = 100

    return Row()  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("least_cpus", "least_memory_mib", "is_held"),
    [(1, 100, True), (2, 200, True), (1, 99, False)],
)
def test_held_is_what_fits_in_the_smallest_place(
    job: JobRow, least_cpus: int, least_memory_mib: int, is_held: bool
) -> None:
    size = QueueSettings(cpus=4, memory_mib=400)
    load = Load(2, 4, 400, least_cpus=least_cpus, least_memory_mib=least_memory_mib)
    room = Room.counted(size, load, holds=True)
    assert not room.fits(job)
    assert room.may_hold(job) == is_held


def test_none_begins_behind_one_that_is_held(job: JobRow) -> None:
    size = QueueSettings(cpus=4, memory_mib=400)
    room = Room.counted(size, Load(1, 3, 100, least_cpus=3, least_memory_mib=100), holds=True)
    assert room.fits(job)
    room.hold()  # one of two cores, for the place of the one with three
    assert not room.fits(job)
    assert room.may_hold(job)


def test_for_each_place_so_many_are_held(job: JobRow) -> None:
    size = QueueSettings(cpus=1, memory_mib=100)
    room = Room.counted(size, Load(), holds=True)
    assert not room.may_hold(job)
    assert room.fits(job)
    room.take(job)
    for _ in range(HELD_FOR_A_PLACE):
        assert room.most
        assert room.may_hold(job)
        room.hold()
    assert not room.most
    assert not room.may_hold(job)
