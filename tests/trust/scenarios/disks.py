"""The disk is full, at every write that there is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from waiting import wait_until

from trust.harness import Figures, Harmed, Trial, judge, running, scenario

SIZE_BYTES = 256 << 20
TIME_BYTES = 4 << 20
"""What each time leaves behind at most: without room for it the disk would be full for good."""
_PAGE = 4096


@scenario(
    "never a false 201 (507 instead), 0 corrupt, works again ≤ 10 s after space returns",
    short=1,
    full=200,
)
def disk_full_at_each_write(trial: Trial, count: int) -> Figures:
    """A file system has room for N pages more, N from 1 on, and takes what it can of jobs."""
    full = again = 0
    back: list[float] = []
    with _small_disk(trial.home / "s", SIZE_BYTES + count * TIME_BYTES) as disk:
        service = trial.service(disk)
        with running(service):
            for number in range(1, count + 1):
                # a few pages at a time in CI, so that it is not only the first that fail
                pages = number if count > 100 else trial.chance.randrange(1, 200)
                with _room_for(disk, pages):
                    for each in range(100):
                        status = _submit(trial, service, f"key-{number}-{each}")
                        full += status == 507
                        again += status == 201
                        if status == 507:
                            break
                since = time.monotonic()
                wait_until(
                    lambda number=number: _submit(trial, service, f"after-{number}") in (200, 201),
                    timeout=60,
                    what=service.log,
                )
                back.append(time.monotonic() - since)
                service.wait({"id": trial.accepted[f"after-{number}"]}, seconds=240)
            judge(trial, service)
    assert full, "the disk was never full"
    return {
        "times it was full": count,
        "refused with 507": full,
        "accepted before it was full": again,
        "works again, worst s": trial.within(max(back), 10),
    }


def _submit(trial: Trial, service: Harmed, key: str) -> int:
    """The status of one submission; it counts if it was acknowledged."""
    # a few pages in the database, so that it is full before long
    described = {**trial.command("echo x > out"), "args": "", "env": {"FILL": "x" * 60_000}}
    body = {"jobs": [{**described, "jobname": key}]}
    answer = service.http.post("/jobs", json=body, headers={"Idempotency-Key": key})
    if answer.status_code in (200, 201):
        trial.accepted[key] = answer.json()["jobs"][0]["id"]
    else:
        assert answer.status_code == 507, answer.text
    return answer.status_code


@contextlib.contextmanager
def _small_disk(place: Path, size_bytes: int = SIZE_BYTES) -> Iterator[Path]:
    """A file system of its own; root alone can make one."""
    assert os.geteuid() == 0, "this needs root: unshare -rm python benchmarks/trust …"
    place.mkdir()
    options = f"size={size_bytes},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "kotta-trust", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextlib.contextmanager
def _room_for(disk: Path, pages: int) -> Iterator[None]:
    """Fills the disk but for so many pages."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:

        def fill() -> bool:
            left = os.statvfs(disk).f_bavail - pages
            assert left > 0, "the disk is too small for this"
            try:
                os.posix_fallocate(file.fileno(), 0, left * _PAGE)
            except OSError:
                return False  # the service has written meanwhile
            return True

        wait_until(fill)
    try:
        yield
    finally:
        ballast.unlink()


@scenario("nothing lost of a job that ends while the disk is full", short=1, full=10)
def jobs_end_while_the_disk_is_full(trial: Trial, count: int) -> Figures:
    """Jobs that run when the disk fills up end there; what they made is kept once there is room."""
    with _small_disk(trial.home / "s") as disk:
        service = trial.service(disk)
        with running(service):
            for number in range(count):
                jobs = [
                    service.submit_surely(
                        trial, f"key-{number}-{each}", trial.command("sleep 1", output="x")
                    )
                    for each in range(4)
                ]
                for job in jobs:
                    service.until_status({"id": job}, "processing")
                with _room_for(disk, 0), contextlib.suppress(httpx.HTTPError):
                    time.sleep(3)
                for job in service.wait(*({"id": job} for job in jobs), seconds=60):
                    assert job["reason"] in ("exit", "staging"), job
            judge(trial, service)
    return {"jobs": 4 * count}
