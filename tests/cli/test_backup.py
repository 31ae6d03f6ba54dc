"""Backups of a service at work, and the service that is made of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import need
from running_service import RunningService

from cli.conftest import KOTTA, User, _new_user
from kotta_service.storage.files import FileStorage
from kotta_service.store.database import Database
from kotta_service.upkeep import backup

CSV = "a,b\n1,2\n"


@pytest.fixture(scope="module")
def keeper() -> Iterator[User]:
    """Somebody with jobs of every kind: ended, running, waiting; a backup was made meanwhile."""
    user = _new_user()
    (user.home / "a.csv").write_text(CSV)
    user.kotta("submit", "-i", "a.csv", "--name", "made", "--wait", "--", "sh", "-c", "cat a.csv")
    user.done(jobname="outputs", executable="head -c 300000 /dev/urandom > big", outputs="big")
    user.running(jobname="runs", executable="sleep 600")
    user.running(jobname="again", executable="sleep 600", retries=1)
    cpus = user.client.queues()[0].cpus
    for name in ("waits", "waits too"):
        user.submit(jobname=name, executable="echo waited", cpus=cpus)
    made = user.kotta("admin", "backup", "kotta.tar")
    assert (made.code, made.out) == (0, "kotta.tar\n"), made.err
    yield user
    user.kotta("cancel", "@open", "--yes")
    user.leave()


def restored(user: User, tmp_path: Path, archive: str = "kotta.tar") -> tuple[Path, str]:
    data = tmp_path / "data"
    done = user.kotta("admin", "restore", archive, "--data", str(data))
    assert done.code == 0, done.err
    assert done.out == f"{data}\n"
    return data, done.err


@pytest.mark.slow
def test_what_is_restored_goes_on_and_nothing_runs_twice(keeper: User, tmp_path: Path) -> None:
    _, said = restored(keeper, tmp_path)
    assert "Broken: 0, left over: 0." in said
    before = {job.name: job for job in keeper.client.list(limit=100).jobs}
    service = RunningService(tmp_path)
    service.start()
    try:
        found = {job["name"]: job for job in service.http.get("/jobs").json()["jobs"]}
        assert {name: job["id"] for name, job in found.items()} == {
            name: job.id for name, job in before.items()
        }
        assert (found["runs"]["status"], found["runs"]["reason"]) == ("failed", "lost")
        service.http.post(f"/jobs/{found['again']['id']}/cancel")
        for name in ("waits", "waits too"):
            ended = service.wait(found[name], seconds=60)[0]
            assert service.output(ended, "STDOUT.txt") == "waited\n"
        assert service.wait(found["again"])[0]["attempt"] in (1, 2)
        assert service.output(found["made"], "STDOUT.txt") == CSV
        assert service.http.get(f"/jobs/{found['made']['id']}/usage").json()["samples"]
        report = service.http.post("/admin/check", json={"contents": True}).json()
        # the service that the backup was made of is at work on this machine as well
        assert all(each["words"].endswith("runs on") for each in report["defects"]), report
    finally:
        service.close()
    # the service that the backup was made of has noticed nothing
    assert keeper.client.status(before["runs"].id).status.value == "processing"


def test_a_backup_is_for_its_maker_alone_and_replaces_nothing_unasked(keeper: User) -> None:
    archive = keeper.home / "kotta.tar"
    assert archive.stat().st_mode & 0o777 == 0o600
    refused = keeper.kotta("admin", "backup", "kotta.tar")
    assert (refused.code, refused.out) == (1, "")
    assert "kotta.tar is there already" in refused.err
    made = keeper.kotta("admin", "backup", "kotta.tar", "--force", "--json").json
    assert made == {"path": str(archive), "size_bytes": archive.stat().st_size}
    assert not list(keeper.home.glob(".kotta.tar*"))


def test_nothing_is_restored_over_anything(keeper: User, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    refused = keeper.kotta("admin", "restore", "kotta.tar", "--data", str(tmp_path))
    assert refused.code == 1
    assert "there is something in" in refused.err
    own = keeper.kotta("admin", "restore", "kotta.tar")
    assert own.code == 1
    assert "another service is at work" in own.err


def rewritten(user: User, tmp_path: Path, name: str, change: str) -> str:
    """A copy of the backup in which the file that a name ends with is other."""
    copy = tmp_path / f"{change}.tar"
    with tarfile.open(user.home / "kotta.tar") as old, tarfile.open(copy, "w") as new:
        for member in old:
            file = old.extractfile(member)
            if member.name.endswith(name) and change == "left out":
                continue
            if member.name.endswith(name) and change == "outside":
                member.name = "files/../../outside"
            if member.name.endswith(name) and change == "changed":
                content = tmp_path / "content"
                content.write_bytes(b"y" * member.size)
                file = content.open("rb")  # type: ignore[assignment]
            new.addfile(member, file)
            if file is not None:
                file.close()
    return str(copy)


@pytest.mark.parametrize("change", ["left out", "changed"])
def test_a_damaged_backup_is_told_and_not_restored(
    keeper: User, tmp_path: Path, change: str
) -> None:
    archive = rewritten(keeper, tmp_path, "/big", change)
    # with one file less its end says so already
    done = keeper.kotta("admin", "restore", archive, "--data", str(tmp_path / "data"))
    assert done.code == 1
    assert ("its end is missing" in done.err) if change == "left out" else ("big" in done.out)
    assert not any((tmp_path / "data").glob("*.db"))


def test_what_is_no_backup_or_half_of_one_is_refused(keeper: User, tmp_path: Path) -> None:
    whole = (keeper.home / "kotta.tar").read_bytes()
    outside = rewritten(keeper, tmp_path, "/big", "outside")
    for name, content in {
        "empty": b"",
        "text": b"no archive",
        "half": whole[: len(whole) // 2],
        "without its end": whole[:-4096],
        "outside": Path(outside).read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(content)
        done = keeper.kotta("admin", "restore", str(tmp_path / name), "--data", str(tmp_path / "d"))
        assert (done.code, done.out) == (1, ""), name
        assert "kup" in done.err, name
        assert not any((tmp_path / "d").glob("*.db")), name
    assert not (tmp_path / "outside.txt").exists()


def test_a_backup_of_a_newer_release_is_refused(keeper: User, tmp_path: Path) -> None:
    data, _ = restored(keeper, tmp_path)
    database = Database(data / "kotta.db")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with tarfile.open(tmp_path / "newer.tar", "w") as archive:
        head = tmp_path / "head"
        head.write_text(json.dumps({"format": 1, "version": "9"}))
        archive.add(head, "kotta-backup.json")
        archive.add(data / "kotta.db", "kotta.db")
        head.write_text(json.dumps({"files": 2}))
        archive.add(head, "complete.json")
    target = str(tmp_path / "other")
    done = keeper.kotta("admin", "restore", str(tmp_path / "newer.tar"), "--data", target)
    assert done.code == 1
    assert "newer release" in done.err


def data_of(user: User) -> Path:
    return next(user.home.rglob("kotta.db")).parent


def at_engine(data: Path, job: str, engine: str) -> Path:
    """Puts the directory of a job's attempt where that engine's lie."""
    place = data / engine / "jobs" / job[:2] / f"{job}.1"
    place.parent.mkdir(parents=True)
    return (data / "jobs" / job[:2] / f"{job}.1").rename(place)


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        found = {member.name: opened.extractfile(member) for member in opened}
        return {name: file.read() for name, file in found.items() if file is not None}


@pytest.mark.parametrize("engine", ["slurm", "parsl"])
def test_attempts_at_engines_are_restored_to_where_any_settings_find_them(
    fresh_user: User, tmp_path: Path, engine: str
) -> None:
    job = fresh_user.done(executable="true")
    record = (at_engine(data_of(fresh_user), job, engine) / "exit.json").read_bytes()
    assert fresh_user.kotta("admin", "backup", "kotta.tar").code == 0
    kept = f"jobs/{job[:2]}/{job}.1/exit.json"
    # as they lay there in archives of before
    old = tmp_path / "old.tar"
    with tarfile.open(fresh_user.home / "kotta.tar") as made, tarfile.open(old, "w") as copy:
        for member in made:
            file = made.extractfile(member)
            if member.name.startswith("jobs/"):
                member.name = f"{engine}/{member.name}"
            copy.addfile(member, file)
    for name in ("kotta.tar", str(old)):
        data, said = restored(fresh_user, tmp_path / Path(name).stem, name)
        assert "Broken: 0, left over: 0." in said
        assert (data / kept).read_bytes() == record
        assert not (data / engine).exists()


def test_what_an_account_puts_in_its_directory_leads_a_backup_nowhere(
    fresh_user: User, tmp_path: Path
) -> None:
    job = fresh_user.done(executable="true")
    directory = at_engine(data_of(fresh_user), job, "slurm")
    (tmp_path / "secret").write_text("of somebody else")
    (directory / "stdout").symlink_to(tmp_path / "secret")
    os.mkfifo(directory / "usage.jsonl")
    assert fresh_user.kotta("admin", "backup", "kotta.tar").code == 0
    held = members(fresh_user.home / "kotta.tar")
    assert f"jobs/{job[:2]}/{job}.1/exit.json" in held
    assert not any(name.endswith(("/stdout", "/usage.jsonl")) for name in held)
    assert not any(b"of somebody else" in content for content in held.values())
    assert restored(fresh_user, tmp_path)[0].is_dir()


def test_a_file_that_an_account_makes_shorter_meanwhile_is_made_up_for(
    fresh_user: User, tmp_path: Path
) -> None:
    need("root", os.geteuid() == 0)
    job = fresh_user.done(executable="true")
    data = data_of(fresh_user)
    directory = at_engine(data, job, "slurm")
    stdout = directory / "stdout"
    stdout.write_bytes(b"x" * 3_000_000)
    for path in (directory, stdout):
        os.chown(path, 47_001, 47_001)
    with (tmp_path / "made.tar").open("wb") as archive:
        for chunk in backup.stream(data, FileStorage(data / "files")):
            archive.write(chunk)
            if set(chunk) == {ord("x")}:
                os.truncate(stdout, 0)
    content = members(tmp_path / "made.tar")[f"jobs/{job[:2]}/{job}.1/stdout"]
    assert (len(content), set(content)) == (3_000_000, set(b"x\0"))


def test_a_restore_that_is_killed_leaves_nothing_in_the_way(keeper: User, tmp_path: Path) -> None:
    target = tmp_path / "data"
    command = [KOTTA, "admin", "restore", "kotta.tar", "--data", str(target)]
    for _ in range(3):
        process = subprocess.Popen(
            command,
            env=keeper.environment,
            cwd=keeper.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(0.35)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(target, ignore_errors=True)
    assert restored(keeper, tmp_path)[0].is_dir()
