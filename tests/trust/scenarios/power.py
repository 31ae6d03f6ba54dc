"""The power fails: what was not synced is gone, or half of it, by chance."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from trust.harness import Figures, Harmed, Trial, judge, new_trial, running, scenario
from trust.preloading import compiled

MEMORY = Path("/dev/shm")
"""A file system that gives no inode's number twice."""


class Disk:
    """A folder, and beside it what a power cut would leave of it: see faults/power.c."""

    def __init__(self, home: Path) -> None:
        self.root, self.kept, self.fails = home / "data", home / "kept", home / "fails"
        self._library = compiled("power", home)
        self.kept.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "POWER_ROOT": str(self.root),
            "POWER_KEPT": str(self.kept),
            "POWER_FAILS": str(self.fails),
        }

    def cut(self, chance: random.Random) -> None:
        """Puts in the folder's place what is on the disk; nothing may be at work on it any more.

        Of what was not synced, each file's bytes and each folder's names may have been written all
        the same, or not.
        """
        strict = chance.random() < 0.5
        after = self.root.with_name("after")
        self._write(self.root.stat().st_ino, self.root, after, chance, 0 if strict else 0.5)
        shutil.rmtree(self.root)
        after.rename(self.root)
        for path in self.kept.iterdir():
            path.unlink()
        self._note(self.root)

    def _write(
        self, inode: int, live: Path, target: Path, chance: random.Random, more: float
    ) -> None:
        """Writes what is kept of a folder; with a chance of `more` what was there last instead."""
        target.mkdir(mode=0o700)
        names = self._names(inode)
        if chance.random() < more and live.is_dir():
            names = _names_in(live)
        for name, (number, is_folder) in names.items():
            now, then = live / name, target / name
            if is_folder:
                self._write(number, now, then, chance, more)
            elif chance.random() < more and now.is_file() and now.stat().st_ino == number:
                shutil.copyfile(now, then)
            elif (bytes_of := self.kept / str(number)).exists():
                shutil.copyfile(bytes_of, then)
            else:
                then.touch(0o600)

    def _names(self, inode: int) -> dict[str, tuple[int, bool]]:
        file = self.kept / str(inode)
        lines = file.read_text().splitlines() if file.exists() else []
        found = [line.split(" ", 2) for line in lines]
        return {name: (int(number), kind == "d") for number, kind, name in found}

    def _note(self, folder: Path) -> None:
        """Everything that is in a folder is on the disk now."""
        names = _names_in(folder)
        lines = [f"{number} {'d' if is_folder else 'f'} {name}\n"
                 for name, (number, is_folder) in names.items()]  # fmt: skip
        (self.kept / str(folder.stat().st_ino)).write_text("".join(lines))
        for name, (number, is_folder) in names.items():
            if is_folder:
                self._note(folder / name)
            else:
                shutil.copyfile(folder / name, self.kept / str(number))


@scenario("0 acknowledged lost, 0 corrupt", short=4, full=300)
def power_cut(trial: Trial, count: int) -> Figures:
    """Jobs and uploads are accepted until the power fails; now and then syncing fails before."""
    with new_trial(trial.seed, below=MEMORY, is_measured=trial.is_measured) as inner:
        return _power_cut(inner, count)


def _power_cut(trial: Trial, count: int) -> Figures:
    home = trial.home / "s"
    home.mkdir()
    disk = Disk(home)
    service = trial.service(home, **disk.environment)
    uploads: list[str] = []
    seen: dict[str, str] = {}
    failures = 0
    with running(service):
        for number in range(count):
            with ThreadPoolExecutor(2) as pool:
                over = [pool.submit(_work, trial, service, number, worker, uploads)
                        for worker in range(2)]  # fmt: skip
                time.sleep(trial.chance.uniform(0.05, 0.8))
                if trial.chance.random() < 0.2:
                    failures += 1
                    disk.fails.touch()
                    time.sleep(trial.chance.uniform(0.05, 0.3))
                with contextlib.suppress(httpx.HTTPError):
                    seen |= {job["id"]: job["status"] for job in service.jobs() if job["ended_at"]}
                _end_everything(service)
                for each in over:
                    each.result()
            disk.fails.unlink(missing_ok=True)
            disk.cut(trial.chance)
            service.start()
            now = {job["id"]: job["status"] for job in service.jobs()}
            assert not (lost := set(trial.accepted.values()) - set(now)), f"lost: {lost}"
            assert {job: now[job] for job in seen} == seen, "what had ended, ended otherwise"
            missing = service.http.post("/uploads/check", json={"sha256": uploads[-1000:]}).json()
            assert missing["missing"] == []
        ended = service.settle(120)
        judge(trial, service)
    return {
        "power cuts": count,
        "of those after syncing failed": failures,
        "jobs acknowledged": len(trial.accepted),
        "uploads acknowledged": len(uploads),
        "jobs lost by their runner's end": sum(job["reason"] == "lost" for job in ended),
    }


def _work(trial: Trial, service: Harmed, number: int, worker: int, uploads: list[str]) -> None:
    """Uploads and submits until there is nobody any more."""
    with contextlib.suppress(httpx.HTTPError):
        for each in range(1000):
            key = f"key-{number}-{worker}-{each}"
            content = key.encode()
            sha256 = hashlib.sha256(content).hexdigest()
            answer = service.http.put(f"/uploads/{sha256}", content=content)
            inputs = {}
            if answer.status_code in (200, 201):
                uploads.append(sha256)
                inputs = {"inputs": [f"kotta://uploads/{sha256}/in"]}
            described = trial.command(f"sleep 0.{each % 4}", output="x")
            body = {"jobs": [{**described, **inputs, "jobname": key}]}
            answer = service.http.post("/jobs", json=body, headers={"Idempotency-Key": key})
            if answer.status_code in (200, 201):
                trial.accepted[key] = answer.json()["jobs"][0]["id"]
            else:
                assert answer.status_code in (500, 503, 507), answer.text
            time.sleep(0.05)


def _end_everything(service: Harmed) -> None:
    """SIGKILL for the service and all that it has started, jobs too: they have its HOME."""
    mark = f"HOME={service.home}\0".encode()
    while True:
        found = []
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with contextlib.suppress(OSError):
                    if mark in Path(f"/proc/{name}/environ").read_bytes():
                        found.append(int(name))
        if not found:
            break
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert service.process is not None
        service.process.poll()
        time.sleep(0.01)
    service.kill()


def _names_in(folder: Path) -> dict[str, tuple[int, bool]]:
    with os.scandir(folder) as entries:
        return {each.name: (each.inode(), each.is_dir(follow_symlinks=False)) for each in entries
                if not each.is_symlink()}  # fmt: skip
