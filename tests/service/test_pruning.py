"""What is forgotten, what never is, and what is left of what was forgotten."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from running_service import RunningService
from waiting import wait_until

from kotta_service.upkeep import pruning
from kotta_service.upkeep.environments import Unused

DAY = 24 * 3600


def prune(service: RunningService, **terms: Any) -> dict[str, Any]:
    answer = service.http.post("/admin/prune", json=terms)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(service: RunningService) -> set[str]:
    return {job["name"] for job in service.http.get("/jobs").json()["jobs"]}


def made(service: RunningService, name: str, **more: Any) -> dict[str, Any]:
    described = {"executable": "head -c 2000000 /dev/zero > a", "outputs": "a", "jobname": name}
    return service.run(**{**described, **more})


def upload(service: RunningService, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    assert service.http.put(f"/uploads/{sha256}", content=content).status_code in (200, 201)
    return sha256


def make_old(service: RunningService, days: float) -> None:
    """Has everything happened so long ago, in a service that is stopped for it."""
    service.stop()
    ago = days * DAY
    with sqlite3.connect(service.data / "kotta.db") as connection:
        connection.execute("UPDATE jobs SET ended_at = ended_at - ?", (ago,))
        connection.execute("UPDATE uploads SET uploaded_at = uploaded_at - ?", (ago,))
    connection.close()
    for path in (service.data / "files" / "uploads").rglob("*"):
        os.utime(path, (time.time() - ago, time.time() - ago))
    service.start()


@pytest.fixture
def aged(stopped_service: RunningService) -> RunningService:
    if stopped_service.environment["KOTTA_SERVICE_DATABASE"]:
        pytest.skip("it edits SQLite's file")
    stopped_service.start()
    return stopped_service


def nothing_is_broken(service: RunningService) -> None:
    report = service.http.post("/admin/check", json={"contents": True}).json()
    assert (report["broken"], report["leftovers"]) == (0, 0), report


@pytest.mark.slow
def test_what_ended_long_ago_goes_with_its_files_and_what_is_needed_stays(
    aged: RunningService,
) -> None:
    used, unused = upload(aged, b"used"), upload(aged, b"unused")
    old = made(aged, "old", tags=["t"])
    source = made(aged, "source")
    inputs = [f"kotta://jobs/{source['id']}/a"]
    copied = made(aged, "copied", executable="cp a b", outputs="b", inputs=inputs)
    upstream = aged.submit({"executable": "sleep 600", "jobname": "upstream"})[0]
    make_old(aged, 40)
    fresh = [f"kotta://uploads/{used}/u", f"kotta://jobs/{copied['id']}/b"]
    waiting = {"executable": "true", "jobname": "waiting", "after": [upstream["id"]]}
    aged.submit({**waiting, "inputs": fresh})
    made(aged, "new")
    before = prune(aged, older_than_seconds=30 * DAY, dry_run=True)
    assert (before["jobs"], before["uploads"], before["kept_as_needed"]) == (1, 1, 2)
    assert ids(aged) == {"old", "source", "copied", "upstream", "waiting", "new"}
    done = prune(aged, older_than_seconds=30 * DAY)
    assert (done["jobs"], done["uploads"], done["freed_bytes"]) == (1, 1, 2_000_006)
    assert ids(aged) == {"source", "copied", "upstream", "waiting", "new"}
    assert aged.http.get(f"/jobs/{old['id']}").status_code == 404
    assert not list(aged.data.rglob(f"{old['id']}*"))
    assert not list(aged.data.rglob(unused)) and list(aged.data.rglob(used))
    assert aged.http.get("/jobs", params={"tag": "t"}).json()["jobs"] == []
    nothing_is_broken(aged)
    assert prune(aged, older_than_seconds=30 * DAY)["jobs"] == 0


@pytest.mark.slow
def test_of_too_much_the_oldest_go_and_a_chain_goes_as_a_whole(aged: RunningService) -> None:
    first = made(aged, "first")
    made(aged, "second", inputs=[f"kotta://jobs/{first['id']}/a"])
    made(aged, "third")
    assert prune(aged, storage_mib=100)["jobs"] == 0
    # the first is an input of the second, which stays
    assert prune(aged, storage_mib=4)["kept_as_needed"] == 1
    done = prune(aged, storage_mib=3)
    assert (done["jobs"], ids(aged)) == (2, {"third"})
    nothing_is_broken(aged)


def test_a_key_of_a_job_that_was_forgotten_is_new_again(service: RunningService) -> None:
    described = {"executable": "true", "jobname": "keyed"}
    (job,) = service.submit(described, key="a-key")
    service.wait(job)
    assert prune(service, older_than_seconds=0)["jobs"] >= 1
    (again,) = service.submit(described, key="a-key")
    assert again["id"] != job["id"]
    service.wait(again)


def test_what_runs_is_never_forgotten(service: RunningService) -> None:
    running = service.submit({"executable": "sleep 60", "jobname": "runs"})[0]
    service.until_status(running, "processing")
    prune(service, older_than_seconds=0, storage_mib=0)
    assert service.status(running)["status"] == "processing"


def test_without_any_terms_it_is_refused(service: RunningService) -> None:
    answer = service.http.post("/admin/prune", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_when_a_job_expires_is_told_once_it_has_ended(home: Path) -> None:
    service = RunningService(home, KOTTA_SERVICE_KEEP_DAYS="2")
    service.start()
    try:
        job = service.submit({"executable": "sleep 60"})[0]
        assert service.status(job)["expires_at"] is None
        ended = service.run(executable="true")
        assert ended["expires_at"] is not None
        assert ended["expires_at"][:10] > ended["ended_at"][:10]
    finally:
        service.close()


def in_a_hurry(service: RunningService, folder: Path) -> None:
    """Has a service forget what is old five times a second, from its next start."""
    (folder / "sitecustomize.py").write_text(
        "import kotta_service.upkeep.retention as r\nr.FIRST_SECONDS = r.EVERY_SECONDS = 0.2\n"
    )
    service.environment["PYTHONPATH"] = str(folder)


@pytest.mark.slow
def test_a_service_whose_settings_say_so_forgets_by_itself(
    aged: RunningService, tmp_path: Path
) -> None:
    made(aged, "old")
    make_old(aged, 3)
    aged.stop()
    in_a_hurry(aged, tmp_path)
    aged.environment["KOTTA_SERVICE_KEEP_DAYS"] = "2"
    aged.start()
    wait_until(lambda: ids(aged) == set(), timeout=20, what=aged.log)


def test_logins_that_ended_are_forgotten_whatever_the_settings_say(
    aged: RunningService, tmp_path: Path
) -> None:
    aged.stop()
    now = time.time()
    ends = {
        "ended": (None, now - 2 * DAY),
        "expired": (now - 2 * DAY, None),
        "counts": (None, None),
    }
    with sqlite3.connect(aged.data / "kotta.db") as connection:
        connection.execute("INSERT INTO users VALUES ('ada', 'a@b', 'user', 0, 0, NULL, NULL)")
        connection.executemany(
            "INSERT INTO logins (id, user, kind, label, scopes, created_at, expires_at, revoked_at)"
            " VALUES (?, 'ada', 'token', '', '[]', 0, ?, ?)",
            [(name, *end) for name, end in ends.items()],
        )
    in_a_hurry(aged, tmp_path)
    aged.start()

    def kept() -> list[tuple[str]]:
        return connection.execute("SELECT id FROM logins").fetchall()

    wait_until(lambda: kept() == [("counts",)], timeout=20, what=kept)
    connection.close()


def environments(service: RunningService) -> set[str]:
    return {path.name for path in (service.data / "environments").iterdir() if path.is_dir()}


def broken_off(service: RunningService, name: str) -> Path:
    """An environment that somebody was making who is gone; its lock."""
    path = service.data / "environments" / name
    (path / "lib").mkdir(parents=True)
    path.with_suffix(".txt").write_text("six\n")
    lock = path.with_suffix(".lock")
    lock.touch()
    return lock


@pytest.mark.slow
def test_environments_go_that_nobody_uses_and_those_that_were_broken_off(
    service: RunningService,
) -> None:
    # which are none here, so that nothing is brought
    wanted = {"requirements": "six; python_version < '3'", "executable": "sleep 60"}
    job = service.submit(wanted)[0]
    service.until_status(job, "processing")
    (used,) = environments(service)
    marker = service.data / "environments" / used / "complete"
    os.utime(marker, (0, 0))
    gone, made = "0" * 24, "1" * 24
    broken_off(service, gone)
    with broken_off(service, made).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert prune(service, storage_mib=1 << 20, dry_run=True)["leftovers"] == 1
        assert environments(service) == {used, gone, made}
        assert prune(service, older_than_seconds=0)["leftovers"] == 1
        assert environments(service) == {used, made}
    service.http.post(f"/jobs/{job['id']}/cancel")
    service.wait(job)
    # of one that is whole, when it was used last counts
    again = service.run(**{**wanted, "executable": "true"})
    assert again["status"] == "completed"
    assert prune(service, older_than_seconds=600)["leftovers"] == 1
    assert environments(service) == {used}
    os.utime(marker, (time.time() - DAY, time.time() - DAY))
    assert prune(service, older_than_seconds=600)["leftovers"] == 1
    assert environments(service) == set()
    assert (
        service.run(**{**wanted, "executable": "test -x $VIRTUAL_ENV/bin/python"})["exit_code"] == 0
    )


def test_what_an_account_puts_among_its_environments_leads_nowhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "complete").touch()
    its = tmp_path / "data" / "environments" / "ada"
    its.mkdir(parents=True)
    link, piped, linked, old = (its / (digit * 24) for digit in "0123")
    link.symlink_to(elsewhere)
    link.with_suffix(".lock").touch()
    for path in (piped, linked, old):
        path.mkdir()
    for path in (old / "complete", old.with_suffix(".lock")):
        path.touch()
    os.mkfifo(piped.with_suffix(".lock"))
    linked.with_suffix(".lock").symlink_to(elsewhere / "complete")
    if os.geteuid() == 0:
        for path in (its, *its.rglob("*")):
            os.chown(path, 47_001, 47_001, follow_symlinks=False)
    unused = Unused(time.time() + DAY, frozenset())
    assert unused.remove(tmp_path / "data", dry_run=False) == 2
    assert {path.name for path in its.iterdir() if path.is_dir()} == {piped.name, linked.name}
    assert (elsewhere / "complete").exists()


def test_an_upload_that_is_sent_again_just_then_stays(service: RunningService) -> None:
    sha256 = upload(service, b"again")
    prune(service, older_than_seconds=0)
    missing = service.http.post("/uploads/check", json={"sha256": [sha256]}).json()["missing"]
    assert missing == []
    assert pruning.YOUNG_SECONDS >= 600


@pytest.mark.of_files
def test_a_backup_that_nobody_reads_any_more_leaves_nothing_and_holds_nothing(
    own_service: RunningService,
) -> None:
    content = os.urandom(30 << 20)
    own_service.http.put(f"/uploads/{hashlib.sha256(content).hexdigest()}", content=content)
    with own_service.http.stream("GET", "/admin/backup") as answer:
        assert next(answer.iter_raw())
        assert list(own_service.data.glob("backup-*"))
    wait_until(lambda: not list(own_service.data.glob("backup-*")), timeout=10)
    pruned = own_service.http.post("/admin/prune", json={"older_than_seconds": 0})
    assert pruned.status_code == 200, pruned.text
