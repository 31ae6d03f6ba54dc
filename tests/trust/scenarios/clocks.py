"""The machine's clock jumps by a day, back or forth, amid everything."""

from __future__ import annotations

import time
from pathlib import Path

from shared_service import SharedService
from waiting import wait_until

from trust.harness import SETTINGS, Figures, Trial, judge, running, scenario
from trust.preloading import compiled

DAY_SECONDS = 24 * 3600


class Clock:
    """What a service and its runners take for the time: see faults/clock.c."""

    def __init__(self, home: Path) -> None:
        self._file, self._library = home / "clock", compiled("clock", home)
        self.jump(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_JUMP": str(self._file)}

    def jump(self, seconds: int) -> None:
        """From now on the clock is wrong by so much."""
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{seconds}\n")
        aside.rename(self._file)


@scenario("walltime within 5 s", short=2, full=40)
def clock_jumps_amid_jobs(trial: Trial, count: int) -> Figures:
    """Half of the jobs end by themselves, half by their walltime; the clock jumps meanwhile."""
    home = trial.home / "s"
    home.mkdir()
    clock = Clock(home)
    service = trial.service(home, **clock.environment)
    walltime_seconds, late = 3.0, []
    with running(service):
        for number in range(count):
            clock.jump(0)
            long = {**trial.command("sleep 60"), "walltime": walltime_seconds / 60}
            over = service.submit_surely(trial, f"long-{number}", long)
            short = service.submit_surely(trial, f"short-{number}", trial.command("sleep 2"))
            service.until_status({"id": over}, "processing")
            time.sleep(trial.chance.uniform(0, 2))
            clock.jump(DAY_SECONDS * trial.chance.choice([-1, 1]))
            ended = service.wait({"id": over}, {"id": short}, seconds=60)
            assert [job["reason"] for job in ended] == ["walltime", "exit"], ended
            late.append(ended[0]["processing_seconds"] - walltime_seconds)
        clock.jump(0)
        judge(trial, service)
    assert min(late) > -0.01, "a job was ended before its walltime"
    return {"jumps of a day": count, "late, worst s": trial.within(max(late), 5)}


@scenario("expired tokens refused", short=1, full=20)
def clock_jumps_under_tokens(trial: Trial, count: int) -> Figures:
    """A token of an hour counts now, and does not a day later; nor is one let in by going back."""
    home = trial.home / "s"
    home.mkdir()
    clock = Clock(home)
    service = SharedService(home, SETTINGS.format(cpus=2), **clock.environment)
    service.start()
    try:
        service.add_user("ada")
        for _ in range(count):
            clock.jump(0)
            with service.client(service.login("ada").access_token) as ada:
                wait_until(lambda ada=ada: ada.get("/me").status_code == 200)
                clock.jump(DAY_SECONDS)
                wait_until(lambda ada=ada: ada.get("/me").status_code == 401)
                assert ada.get("/jobs").json()["code"] == "token_invalid"
    finally:
        clock.jump(0)
        service.close()
    return {"tokens": count}
