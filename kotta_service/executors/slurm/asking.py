"""What Slurm says of all our jobs, kept up to date by a thread: one query, and a pause to match."""

from __future__ import annotations

import logging
import resource
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kotta_service.executors import LONGEST_PAUSE_SECONDS, PAUSE_SHARE
from kotta_service.executors.slurm.commands import Commands, SlurmError, SlurmJob
from kotta_service.executors.slurm.states import ALIVE, WAITS
from kotta_service.persisting import persist

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """What one query told.

    Attributes:
        jobs: by name, those that have not ended.
        asked_at: when it was asked, on the monotonic clock: what was submitted later is not in it.
    """

    jobs: Mapping[str, SlurmJob] = field(default_factory=dict)
    asked_at: float = float("-inf")

    def has(self, name: str) -> bool:
        return name in self.jobs

    def waits(self, name: str) -> bool:
        job = self.jobs.get(name)
        return job is not None and job.state in WAITS


class Asking:
    """Asks Slurm in turns.

    Args:
        poll_seconds: the shortest pause.
        on_view: called after each answer, in this thread.

    Attributes:
        view: the latest answer; a query that failed leaves it as it was.
        pause_seconds: between two queries.
    """

    def __init__(
        self, commands: Commands, poll_seconds: float, on_view: Callable[[View], None]
    ) -> None:
        self._commands = commands
        self._poll_seconds = poll_seconds
        self._on_view = on_view
        self.view = View()
        self.pause_seconds = poll_seconds
        self._fates: dict[str, tuple[str, float]] = {}
        self._missing: set[str] = set()
        self._wanted = threading.Event()
        self._leave = threading.Event()
        self._is_failing = False
        self._thread = threading.Thread(
            target=persist, args=("asking Slurm", self._ask_on), name="slurm", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._leave.set()
        self._wanted.set()
        # it may be waiting for an answer, which nobody wants any more
        self._thread.join(1)

    def want(self) -> None:
        """There is something to ask about: without, nothing is asked."""
        self._wanted.set()

    def fate(self, name: str) -> tuple[str, float] | None:
        """How a job has ended that is in no view: Slurm's state, and how long that is known.

        The state is "" for a job that Slurm does not know. None: it is being asked, or alive.
        """
        found = self._fates.get(name)
        if found is None:
            self._missing.add(name)
            return None
        return found[0], time.monotonic() - found[1]

    def forget(self, name: str) -> None:
        """It is submitted anew."""
        self._fates.pop(name, None)
        self._missing.discard(name)

    def forget_all_but(self, names: set[str]) -> None:
        self._fates = {name: fate for name, fate in self._fates.items() if name in names}
        self._missing &= names

    def _ask_on(self) -> None:
        while not self._leave.is_set():
            self._wanted.wait()
            self._wanted.clear()
            if self._leave.is_set():
                return
            used_before = _core_seconds()
            try:
                self._ask(time.monotonic())
            except SlurmError as error:
                if not self._is_failing:
                    logger.warning("Slurm does not answer, and is asked again: %s", error)
                self._is_failing = True
            used_seconds = _core_seconds() - used_before
            pause = min(used_seconds * PAUSE_SHARE, LONGEST_PAUSE_SECONDS)
            self.pause_seconds = max(self._poll_seconds, pause)
            self._leave.wait(self.pause_seconds)

    def _ask(self, at: float) -> None:
        jobs: dict[str, SlurmJob] = {}
        for job in self._commands.waiting_and_running():
            known = jobs.get(job.name)
            # of two of one name the one that runs counts: the other leaves, or waits in vain
            if known is None or known.state in WAITS:
                jobs[job.name] = job
        if self._is_failing:
            logger.info("Slurm answers again")
            self._is_failing = False
        self._learn_fates(jobs)
        self.view = View(jobs, at)
        self._on_view(self.view)

    def _learn_fates(self, jobs: Mapping[str, SlurmJob]) -> None:
        asked = [name for name in list(self._missing) if name not in jobs]
        if not asked:
            self._missing.clear()
            return
        ended = self._commands.named(asked)
        # an attempt that was handed over twice had two jobs: the later one counts
        ended.sort(key=lambda job: int(job.native_id) if job.native_id.isdigit() else 0)
        known = {job.name: job for job in ended}
        for name in asked:
            job = known.get(name)
            if job is None or job.state not in ALIVE:
                self._fates[name] = ("" if job is None else job.state, time.monotonic())
            self._missing.discard(name)


def _core_seconds() -> float:
    """What this thread and all commands that have ended used; other threads' commands count too."""
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time() + commands.ru_utime + commands.ru_stime
