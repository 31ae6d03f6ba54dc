"""What is said to Slurm: new jobs and cancellations, one after another by a thread.

Nobody waits for it. What Slurm does not take for now is kept, and sent again once a query has shown
that it does not have it after all.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from kotta_service.executors import Key
from kotta_service.executors.slurm.asking import View
from kotta_service.executors.slurm.commands import Commands, SlurmError, name_of
from kotta_service.executors.slurm.states import is_for_now
from kotta_service.persisting import persist

logger = logging.getLogger(__name__)
_PAUSE_SECONDS = 5
"""Before something is sent again."""


class Fate(Enum):
    """What has become of a handover."""

    QUEUED = "queued"
    TAKEN = "taken"
    PUT_OFF = "put off"
    """Slurm did not take it for now, or did not answer, and may have it nevertheless."""
    REFUSED = "refused"
    """Slurm does not take it, whenever it is asked."""


@dataclass(frozen=True)
class Handover:
    """An attempt that this process hands to Slurm.

    Attributes:
        at: when this became so, on the monotonic clock.
        words: of what was put off or refused, Slurm's.
    """

    launch: dict[str, Any]
    fate: Fate
    at: float
    words: str = ""


@dataclass(frozen=True)
class Wanted:
    """How a launch is submitted: the options of sbatch and the batch script."""

    arguments: Sequence[str]
    script: str


class Sending:
    """Sends to Slurm.

    Args:
        prepare: makes ready what a runner needs; None: the attempt is not to be started any more.
    """

    def __init__(
        self, commands: Commands, prepare: Callable[[Key, dict[str, Any]], Wanted | None]
    ) -> None:
        self._commands = commands
        self._prepare = prepare
        self._handovers: dict[Key, Handover] = {}
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._leave = threading.Event()
        self._thread = threading.Thread(
            target=persist, args=("telling Slurm", self._send_on), name="slurm-sender", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Leaves what was not sent to whoever finds it absent."""
        self._leave.set()
        self._queue.put(None)
        self._thread.join(1)

    def submit(self, key: Key, launch: dict[str, Any]) -> None:
        self._note(key, Handover(launch, Fate.QUEUED, time.monotonic()))
        self._queue.put(lambda: self._submit(key))

    def handover(self, key: Key) -> Handover | None:
        """What became of an attempt that was submitted here, None for another."""
        with self._lock:
            return self._handovers.get(key)

    def handed_over(self) -> set[Key]:
        with self._lock:
            return set(self._handovers)

    def forget(self, keys: Collection[Key]) -> None:
        with self._lock:
            for key in keys:
                self._handovers.pop(key, None)

    def cancel(self, keys: Collection[Key]) -> None:
        """Has Slurm end the jobs of attempts, whatever they are at."""
        names = [name_of(key) for key in keys]
        self._queue.put(lambda: self._commands.cancel(self._commands.named(names)))

    def wake(self, key: Key) -> None:
        """Has the runner of an attempt look whether it is to be cancelled."""
        self._queue.put(lambda: self._commands.wake(self._commands.named([name_of(key)])))

    def review(self, view: View) -> None:
        """Sends again what was put off, now that it is known whether Slurm has it."""
        with self._lock:
            put_off = {
                key: each for key, each in self._handovers.items() if each.fate is Fate.PUT_OFF
            }
        for key, each in put_off.items():
            if view.has(name_of(key)):
                self._note(key, replace(each, fate=Fate.TAKEN, words=""))
            elif view.asked_at > each.at + _PAUSE_SECONDS:
                self.submit(key, each.launch)

    def _note(self, key: Key, handover: Handover) -> None:
        with self._lock:
            self._handovers[key] = handover

    def _send_on(self) -> None:
        while (send := self._queue.get()) is not None and not self._leave.is_set():
            try:
                send()
            except SlurmError as error:
                logger.warning("Slurm was not told: %s", error)

    def _submit(self, key: Key) -> None:
        handover = self.handover(key)
        if handover is None or handover.fate is not Fate.QUEUED:
            return  # it was cancelled meanwhile, or submitted twice
        fate, words = Fate.TAKEN, ""
        try:
            wanted = self._prepare(key, handover.launch)
            if wanted is None:
                self.forget([key])
                return
            self._commands.submit(wanted.arguments, wanted.script)
        except SlurmError as error:
            words = str(error)
            fate = Fate.PUT_OFF if is_for_now(words) else Fate.REFUSED
            logger.warning("Slurm did not take %s: %s", name_of(key), words)
        except OSError as error:
            fate, words = Fate.PUT_OFF, f"the shared folder cannot be used: {error}"
            logger.warning("%s was not handed over: %s", name_of(key), words)
        # what was taken keeps nothing of the launch, which may be large
        launch = handover.launch if fate is Fate.PUT_OFF else {}
        with contextlib.suppress(KeyError), self._lock:
            self._handovers[key]  # forgotten meanwhile
            self._handovers[key] = Handover(launch, fate, time.monotonic(), words)
