"""Slurm's commands: what is asked of them, and what their text means.

Nothing is remembered here, and nothing decided. Source: squeue(1), sbatch(1), scancel(1).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from kotta_service.executors import Key
from kotta_service.slurm_settings import SlurmSettings

PREFIX = "kotta-"
ASK_SECONDS = 60
"""How long an answer may take. Without its controller, a command of Slurm's tries for long."""
BRIEF_SECONDS = 5
"""How long, where somebody waits for it."""
_INHERITED = ("HOME", "LANG", "LOGNAME", "PATH", "SLURM_CONF", "TZ", "USER")
_FORMAT = "%U|%T|%i|%S|%r|%j"
"""The name is the last, as its user may have put anything into it."""
MANY_NAMES = 100
"""How many jobs are named in one command line."""


class SlurmError(Exception):
    """A command of Slurm's failed, or gave no answer; with its words."""


@dataclass(frozen=True)
class SlurmJob:
    """A job as squeue shows it.

    Attributes:
        name: the key of its launch, as `name_of` makes it, or whatever its user called it.
        uid: of its user.
        state: in full, such as `PENDING`.
        native_id: Slurm's number for it, which may be another job's some day.
        reason: why it is in this state, in Slurm's word.
        starts_at: when it started, or is expected to; None if that is not known.
    """

    name: str
    uid: int
    state: str
    native_id: str
    reason: str
    starts_at: datetime | None


def name_of(key: Key) -> str:
    """What the job of an attempt is called at Slurm: the one thing it is known by."""
    return f"{PREFIX}{key.job_id}-{key.attempt}"


class Commands:
    """Runs Slurm's commands as the settings say.

    Args:
        is_ours: whether a job is one that was submitted here, and not somebody's who calls it so.
    """

    def __init__(self, settings: SlurmSettings, is_ours: Callable[[SlurmJob], bool]) -> None:
        self._is_ours = is_ours
        self._folder = settings.programs.rstrip("/")
        # what the service was started with may hold options, as SBATCH_QOS
        self._environment = {
            name: os.environ[name] for name in _INHERITED if os.environ.get(name)
        } | {"SLURM_TIME_FORMAT": "%s"}
        if settings.configuration is not None:
            self._environment["SLURM_CONF"] = str(settings.configuration)
        # root runs jobs of others
        self._whose = [] if os.geteuid() == 0 else [f"--user={pwd.getpwuid(os.geteuid()).pw_name}"]

    def run(
        self,
        program: str,
        *arguments: str,
        given: str = "",
        seconds: float = ASK_SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """What a command prints.

        Args:
            environment: variables that are for this command alone.

        Raises:
            SlurmError: it cannot be run, fails, or takes too long.
        """
        path = f"{self._folder}/{program}" if self._folder else program
        try:
            done = subprocess.run(
                [path, *arguments],
                input=given,
                capture_output=True,
                text=True,
                errors="replace",
                env={**self._environment, **(environment or {})},
                cwd="/",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{program} gave no answer in {seconds:g} s") from None
        except OSError as error:
            raise SlurmError(f"{path} cannot be run: {error.strerror}") from error
        if done.returncode != 0:
            words = [line.removeprefix(f"{program}: ") for line in done.stderr.splitlines()]
            raise SlurmError("; ".join(filter(None, words)) or f"{program}: {done.returncode}")
        return done.stdout

    def waiting_and_running(self) -> list[SlurmJob]:
        """All jobs of this service's that have not ended: one query, however many.

        Raises:
            SlurmError: there is no answer; that says nothing of any job.
        """
        return self._asked()

    def named(self, names: Sequence[str], seconds: float = ASK_SECONDS) -> list[SlurmJob]:
        """Jobs of these names, those included that ended so lately that Slurm still tells of them.

        Raises:
            SlurmError: there is no answer.
        """
        found: list[SlurmJob] = []
        for start in range(0, len(names), MANY_NAMES):
            part = ",".join(names[start : start + MANY_NAMES])
            found += self._asked("--states=all", f"--name={part}", seconds=seconds)
        return found

    def _asked(self, *options: str, seconds: float = ASK_SECONDS) -> list[SlurmJob]:
        # a name may have lines of its own: ours begin with what nobody else can know
        mark = secrets.token_hex(8)
        environment = {"SQUEUE_FORMAT": f"{mark}|{_FORMAT}"}
        options = ("--noheader", "--all", *options, *self._whose)
        text = self.run("squeue", *options, seconds=seconds, environment=environment)
        return [job for job in _jobs(text, f"{mark}|") if self._is_ours(job)]

    def submit(self, arguments: Sequence[str], script: str) -> str:
        """Slurm's number for a new job.

        Raises:
            SlurmError: it did not take it, or there was no answer, in which case it may have.
        """
        # its own environment, which is nearly empty, goes along: nothing else is added to it
        return self.run("sbatch", "--parsable", *arguments, given=script).strip().split(";")[0]

    def try_out(self, arguments: Sequence[str]) -> None:
        """Asks Slurm whether it would take a job; none is submitted.

        Raises:
            SlurmError: it would not, or there was no answer.
        """
        self.run("sbatch", "--test-only", *arguments, given="#!/bin/sh\n")

    def cancel(self, jobs: Sequence[SlurmJob]) -> None:
        """Has Slurm end jobs that were seen just now.

        Raises:
            SlurmError: it could not be told.
        """
        for start in range(0, len(jobs), MANY_NAMES):
            self.run("scancel", *(job.native_id for job in jobs[start : start + MANY_NAMES]))

    def wake(self, jobs: Sequence[SlurmJob]) -> None:
        """Sends SIGUSR1 to the runners of jobs that were seen just now.

        Raises:
            SlurmError: Slurm could not be told.
        """
        ids = [job.native_id for job in jobs if job.state == "RUNNING"]
        if ids:
            with contextlib.suppress(SlurmError):  # one of them may have ended meanwhile
                self.run("scancel", "--signal=USR1", "--batch", *ids)


def _jobs(text: str, mark: str) -> Iterator[SlurmJob]:
    for line in text.splitlines():
        fields = line.removeprefix(mark).strip().split("|", 5)
        if line.startswith(mark) and len(fields) == 6 and fields[5].startswith(PREFIX):
            uid, state, native_id, start, reason, name = fields
            yield SlurmJob(name, int(uid), state, native_id, reason, _time(start))


def _time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), timezone.utc) if text.isdigit() else None
