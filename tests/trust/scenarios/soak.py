"""Mixed load for long, with a kill every ten seconds: nothing may grow, nothing may break."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from trust.harness import Figures, Harmed, Trial, judge, kill, running, scenario

KILL_SECONDS = 10.0
SERVICE_KILLS = 60
"""Of so many kills one is for the service, so that it lives long enough to grow."""
WARM_SECONDS = 30.0
"""What it takes until every thread was needed once."""
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@dataclass
class _Life:
    """What one process of the service held, sample by sample."""

    process: int
    began: float = field(default_factory=time.monotonic)
    memory_mib: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def sample(self) -> None:
        if time.monotonic() - self.began < WARM_SECONDS:
            return
        with contextlib.suppress(OSError):
            place = Path(f"/proc/{self.process}")
            resident = int((place / "statm").read_text().split()[1]) * _PAGE_MIB
            files, threads = len(os.listdir(place / "fd")), len(os.listdir(place / "task"))
            self.memory_mib.append(resident)
            self.files.append(files)
            self.threads.append(threads)


@scenario("memory, file descriptors and threads level", short=15, full=1200, longest=4 * 3600)
def soak(trial: Trial, count: int) -> Figures:
    """`count` seconds of submissions, uploads, cancellations, streams and feeds amid kills."""
    service = trial.service(cpus=6)
    lives: list[_Life] = []
    over = threading.Event()
    kills = checks = 0
    with running(service), ThreadPoolExecutor(4) as pool:
        loads = [
            pool.submit(_load, trial, service, random.Random(trial.seed + each), each, over)
            for each in range(3)
        ]
        began = next_kill = time.monotonic()
        next_check = began + 60
        try:
            while (now := time.monotonic()) < began + count:
                assert service.process is not None
                if not lives or lives[-1].process != service.process.pid:
                    lives.append(_Life(service.process.pid))
                lives[-1].sample()
                if now >= next_kill:
                    next_kill += KILL_SECONDS
                    kills += 1
                    _kill_something(trial, service, is_service=kills % SERVICE_KILLS == 0)
                if now >= next_check:
                    next_check += 60
                    checks += 1
                    report = service.http.post("/admin/check", json={"contents": True}).json()
                    assert report["broken"] == 0, report
                time.sleep(1)
        finally:
            over.set()
        for each in loads:
            each.result(120)
        judge(trial, service)
    return {"seconds": count, "jobs": len(trial.accepted), "kills": kills, "checks": checks,
            **_growth(trial, lives)}  # fmt: skip


def _load(
    trial: Trial, service: Harmed, chance: random.Random, worker: int, over: threading.Event
) -> None:
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=str(service.socket), verify=False),
        base_url="http://kotta/api/v2",
        timeout=30,
    ) as http:
        number = 0
        while not over.is_set():
            number += 1
            key = f"key-{worker}-{number}"
            with contextlib.suppress(httpx.HTTPError):
                content = chance.randbytes(chance.choice([10, 100_000]))
                sha256 = hashlib.sha256(content).hexdigest()
                stored = http.put(f"/uploads/{sha256}", content=content).status_code < 300
                inputs = [f"kotta://uploads/{sha256}/in"] if stored else []
                work = chance.choice(["", "sleep 0.3", "sleep 3", "head -c 200000 /dev/zero > x"])
                described = {**trial.command(work, output="y"), "inputs": inputs, "retries": 1}
                job = service.submit_surely(trial, key, described)
                if chance.random() < 0.1:
                    http.post(f"/jobs/{job}/cancel")
                http.get(f"/jobs/{job}", params={"wait": chance.choice([0, 1, 5])})
                http.get(f"/jobs/{job}/logs/stdout", params={"wait": 0.2})
                http.get("/changes", params={"after": 0, "limit": 100})
                http.get("/jobs", params={"limit": 100})
            over.wait(chance.uniform(0, 0.5))


def _kill_something(trial: Trial, service: Harmed, *, is_service: bool) -> None:
    if is_service:
        service.kill()
        service.start()
        return
    running_now = service.http.get("/jobs", params={"status": "processing"}).json()["jobs"]
    if running_now and trial.chance.random() < 0.7:
        job = trial.chance.choice(running_now)
        kill(service.runner(job["id"], job["attempt"]))
    else:
        kill(service.launcher())


def _growth(trial: Trial, lives: list[_Life]) -> Figures:
    """First, middle and last of the longest life, each the median of a fifth of it."""
    life = max(lives, key=lambda each: len(each.memory_mib))
    part = len(life.memory_mib) // 5
    if not part:
        return {}
    found: Figures = {}
    for name, values in (("memory, MiB", life.memory_mib), ("files", life.files),
                         ("threads", life.threads)):  # fmt: skip
        fifths = [values[place * part : (place + 1) * part] for place in range(5)]
        first, middle, last = (statistics.median(fifths[place]) for place in (0, 2, 4))
        found[f"{name}, at first"], found[f"{name}, amid"] = first, middle
        found[f"{name}, at last"] = last
        if trial.is_measured and len(values) > 120:
            assert last <= 1.25 * first + 10, f"{name} grew from {first} to {last}"
    return found
