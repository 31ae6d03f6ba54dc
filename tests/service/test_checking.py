"""What a check finds, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from running_service import RunningService
from sqlalchemy.exc import OperationalError
from waiting import wait_until

from kotta.errors import ServiceFaultError
from kotta.models.upkeep import CheckReport
from kotta_service.settings import Settings
from kotta_service.storage import Stored
from kotta_service.storage.files import FileStorage
from kotta_service.store.database import Database
from kotta_service.upkeep import apart
from kotta_service.upkeep.checking import NEW_SECONDS, Checker

UPLOAD = b"a,b\n1,2\n"
SHA256 = hashlib.sha256(UPLOAD).hexdigest()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory with a bit of everything, of a service that has stopped."""
    home = tmp_path_factory.mktemp("k")
    service = RunningService(home, KOTTA_SERVICE_DATABASE="")
    service.start()
    assert service.http.put(f"/uploads/{SHA256}", content=UPLOAD).status_code == 201
    inputs = [f"kotta://uploads/{SHA256}/a.csv"]
    made = {"executable": "cat a.csv > b.csv", "outputs": "b.csv", "inputs": inputs, "tags": ["x"]}
    done = service.submit({**made, "jobname": "done"}, key="a-key")
    failed = service.submit({"executable": "exit 3", "jobname": "failed", "retries": 2})
    service.wait(*done, *failed)
    first = service.submit({"executable": "sleep 0.2", "jobname": "first"})[0]
    after = service.submit({"executable": "true", "after": [first["id"]], "jobname": "after"})[0]
    service.wait(first, after)
    held = service.submit({"executable": "sleep 60", "cpus": 1})[0]
    waiting = service.submit({"executable": "true", "after": [held["id"]], "jobname": "waiting"})[0]
    service.http.post(f"/jobs/{held['id']}/cancel")
    service.wait(held, waiting)
    service.close()
    yield service.data
    shutil.rmtree(service.data)


@pytest.fixture
def data(kept: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "data"
    shutil.copytree(kept, copy)
    long_ago = time.time() - 2 * NEW_SECONDS
    for path in (*copy.rglob("*"), copy):
        os.utime(path, (long_ago, long_ago))
    return copy


def check(data: Path, *, contents: bool = True) -> CheckReport:
    database = Database(data / "kotta.db")
    try:
        return Checker(database, FileStorage(data / "files"), data, contents=contents).run()
    finally:
        database.close()


def told(report: CheckReport, kind: str = "broken") -> str:
    return "\n".join(
        f"{each.subject}: {each.words}" for each in report.defects if each.kind == kind
    )


def test_nothing_is_wrong_with_what_a_service_has_left(data: Path) -> None:
    report = check(data)
    assert (report.defects, report.broken, report.leftovers) == ([], 0, 0)
    assert (report.jobs, report.uploads) == (6, 1)
    assert report.read_bytes >= 2 * len(UPLOAD)
    assert check(data, contents=False).read_bytes == 0


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE jobs SET status = 'processing' WHERE name = 'done'", "has an end"),
        ("UPDATE jobs SET status = 'asleep' WHERE name = 'done'", "asleep"),
        ("UPDATE jobs SET reason = NULL WHERE name = 'done'", "has no reason"),
        ("UPDATE jobs SET ended_at = NULL WHERE name = 'done'", "has no end"),
        ("UPDATE jobs SET attempt = 2 WHERE name = 'done'", "asked for 0 retries"),
        ("UPDATE jobs SET change = 1 WHERE name = 'after'", "one later than that"),
        ("UPDATE jobs SET tags = '[]' WHERE name = 'done'", "is found by ['x']"),
        ("UPDATE jobs SET is_needed = 0", "is needed by others"),
        ("UPDATE counters SET value = 2 WHERE name = 'job'", "was not given yet"),
        ("UPDATE holdings SET storage_bytes = 1", "1 bytes are counted"),
        ("UPDATE submissions SET first_number = 900", "jobs that are not there"),
        ("UPDATE submissions SET first_number = 9223372036854775807", "jobs that are not there"),
        ("DELETE FROM transitions", "has no history"),
        ("DELETE FROM transitions WHERE status = 'staging_inputs'", "went from pending"),
        ("UPDATE transitions SET attempt = 7 WHERE status = 'completed'", "(attempt 7)"),
        ("UPDATE transitions SET status = 'pending' WHERE status = 'completed'", "ends with"),
        ("UPDATE transitions SET status = 'failed' WHERE status = 'staging_inputs'", "from failed"),
        ("UPDATE outputs SET sha256 = NULL", "without size and SHA-256"),
        ("UPDATE outputs SET attempt = 3", "has outputs of attempt 3"),
        ("UPDATE uploads SET sha256 = 'ab'", "ab is not there"),
        ("DELETE FROM jobs WHERE name = 'done'", "is not there"),
    ],
)
def test_a_row_that_breaks_a_rule_is_told(data: Path, statement: str, words: str) -> None:
    with sqlite3.connect(data / "kotta.db") as connection:
        connection.execute(statement)
    connection.close()
    assert words in told(check(data))


def test_a_file_that_is_gone_cut_or_changed_is_told(data: Path) -> None:
    (output,) = (data / "files" / "outputs").rglob("b.csv")
    output.write_bytes(UPLOAD.swapcase())
    assert "b.csv holds other bytes" in told(check(data))
    assert check(data, contents=False).broken == 0
    output.write_bytes(UPLOAD[1:])
    assert "b.csv has 7 bytes in place of 8" in told(check(data, contents=False))
    output.unlink()
    assert "b.csv is not there" in told(check(data, contents=False))


class Measuring(FileStorage):
    """Notes how much is held when all of the database has been read."""

    held_bytes = 0

    def stored(self) -> Iterator[Stored]:
        gc.collect()
        self.held_bytes = tracemalloc.get_traced_memory()[0]
        return super().stored()


def test_it_takes_no_more_memory_for_more_jobs(data: Path) -> None:
    def held_bytes() -> int:
        database, storage = Database(data / "kotta.db"), Measuring(data / "files")
        try:
            Checker(database, storage, data, contents=False).run()
        finally:
            database.close()
        return storage.held_bytes

    held_bytes()  # what is made once
    tracemalloc.start()
    try:
        copy_job(data, "done", 300)
        few = held_bytes()
        copy_job(data, "done", 1200)
        # other threads of this process may hold something meanwhile
        assert any(held_bytes() < few + 500_000 for _ in range(3))
    finally:
        tracemalloc.stop()


def copy_job(data: Path, name: str, count: int) -> None:
    """Writes copies of a job, with its history and outputs, into the database."""
    with sqlite3.connect(data / "kotta.db") as connection:
        select = "SELECT number FROM jobs WHERE name = ?"
        (original,) = connection.execute(select + " ORDER BY number", (name,)).fetchone()
        (last,) = connection.execute("SELECT max(number) FROM jobs").fetchone()
        for number in range(last + 1, last + 1 + count):
            own = {"number": number, "job_number": number, "id": f"'{uuid.uuid4()}'"}
            for table, key in (("jobs", "number"), ("transitions", "job_number"),
                               ("outputs", "job_number")):  # fmt: skip
                columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
                if table == "transitions":
                    own["change"] = f"change + {1000 * number}"
                values = ", ".join(str(own.get(column, column)) for column in columns)
                connection.execute(
                    f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {key} = {original}"
                )
    connection.close()


def test_a_damaged_database_is_told(data: Path) -> None:
    with sqlite3.connect(data / "kotta.db") as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'jobs_by_status'")
    connection.close()
    assert "the database" in told(check(data))


def test_what_nobody_refers_to_is_told_once_it_is_old_enough(data: Path) -> None:
    upload = data / "files" / "uploads" / "aa" / ("aa" * 32)
    upload.parent.mkdir()
    upload.write_bytes(b"x")
    attempt = data / "jobs" / "aa" / "aaaa.1"
    outputs = data / "files" / "outputs" / "aa" / "aaaa.1"
    for folder in (attempt, outputs):
        folder.mkdir(parents=True)
    assert check(data).defects == []
    long_ago = time.time() - 2 * NEW_SECONDS
    for path in (upload, attempt, outputs):
        os.utime(path, (long_ago, long_ago))
    report = check(data)
    assert (report.broken, report.leftovers) == (0, 3)
    assert all(str(path) in told(report, "leftover") for path in (upload, attempt, outputs))


def test_what_runs_of_a_job_that_is_over_is_told(service: RunningService) -> None:
    job = service.run(executable="true")
    report = service.http.post("/admin/check", json={"contents": True}).json()
    assert report["defects"] == [], report
    other = {**os.environ, "KOTTA_TAG": f"{job['id']}/1"}
    with subprocess.Popen(["sleep", "60"], env=other) as left:
        report = service.http.post("/admin/check", json={}).json()
        left.kill()
    assert [each["subject"] for each in report["defects"]] == [job["id"]]
    assert f"its process {left.pid} runs on" in report["defects"][0]["words"]


def test_a_check_in_a_process_of_its_own_says_the_same(data: Path) -> None:
    assert apart.check(Settings(), data, contents=True) == check(data)
    with sqlite3.connect(data / "kotta.db") as rows:
        rows.execute("DROP TABLE holdings")
    rows.close()
    with pytest.raises(OperationalError, match="holdings"):
        apart.check(Settings(), data, contents=True)


def test_a_check_that_is_killed_is_told_of(data: Path) -> None:
    with barred(data), ThreadPoolExecutor() as pool:
        checked = pool.submit(apart.check, Settings(), data, contents=True)
        wait_until(lambda: children_that_check() != [])
        children_that_check()[0].kill()
        with pytest.raises(ServiceFaultError, match="was ended before it was over"):
            checked.result(10)


def test_a_check_ends_with_its_service(data: Path) -> None:
    words = f"from kotta_service.settings import Settings; from pathlib import Path; \
from kotta_service.upkeep import apart; apart.check(Settings(), Path({str(data)!r}), contents=True)"
    with barred(data), subprocess.Popen([sys.executable, "-c", words]) as service:
        wait_until(lambda: children_that_check(service.pid) != [])
        child = children_that_check(service.pid)[0]
        # what it has to open is imported by then
        wait_until(lambda: any("kotta.db" in each.path for each in child.open_files()))
        service.kill()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@contextmanager
def barred(data: Path) -> Iterator[None]:
    """Nobody else can read the database meanwhile."""
    with closing(sqlite3.connect(data / "kotta.db", isolation_level=None)) as rows:
        rows.execute("PRAGMA locking_mode = EXCLUSIVE")
        rows.execute("BEGIN EXCLUSIVE")
        yield


def children_that_check(parent: int | None = None) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(parent).children():
        with suppress(psutil.Error):  # one of before may just be ending
            if "kotta_service.upkeep.apart" in child.cmdline():
                found.append(child)
    return found


def test_a_service_at_work_is_checked_without_harm(service: RunningService) -> None:
    jobs = service.submit(*({"executable": "echo x > a", "outputs": "a"} for _ in range(60)))
    for _ in range(5):
        report = service.http.post("/admin/check", json={"contents": True}).json()
        assert report["defects"] == [], report
    assert {job["status"] for job in service.wait(*jobs)} == {"completed"}
