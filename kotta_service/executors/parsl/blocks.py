"""The blocks of one queue: kept in number with its work, and begun anew when Parsl has failed."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from kotta_service.parsl_settings import BlockSettings
from kotta_service.persisting import persist

if TYPE_CHECKING:
    from parsl.jobs.states import JobStatus
    from parsl.jobs.strategy import Strategy

    from kotta_service.executors.parsl.pilots import Pilot

logger = logging.getLogger(__name__)
_PACE_SECONDS = 1.0
_LONGEST_PACE_SECONDS = 60.0
"""How long to wait at most before another block is asked for, while none can be had."""
_OLD_SECONDS = 3600
_STOP_SECONDS = 5
_FAILURES = frozenset({"FAILED", "MISSING"})
"""What Parsl calls blocks that ended by an error, or before their workers were there."""
_CALL = {"task_executor": {"f": "kotta_runner.block.run"}}
"""What a worker does with what it is sent, by a name that it imports once."""

Send = Callable[[], "bytes | None"]
Sent = Callable[["Future[str]"], None]


class PilotGoneError(Exception):
    """What had taken calls has failed: whether they were begun is not known here."""


class Blocks:
    """Takes calls of `kotta_runner.block.run` for a queue; opened when there is something to do.

    Args:
        queue: its name.
        folder: where Parsl keeps what its blocks need; nodes see it too.
        archive: the runner.

    Attributes:
        problem: why no block can be had, in Parsl's or the provider's words; "": nothing is wrong.
    """

    def __init__(self, queue_name: str, settings: BlockSettings, folder: Path, archive: Path):
        self.queue = queue_name
        self.settings = settings
        self.problem = ""
        self._folder = folder
        self._archive = archive
        self._pilot: Pilot | None = None
        self._failed: frozenset[str] = frozenset()
        self._pace_seconds = _PACE_SECONDS
        self._calls: queue.SimpleQueue[tuple[Send, Sent] | None] = queue.SimpleQueue()
        self._lock = threading.Condition()
        self._is_wanted = threading.Event()
        self._leave = threading.Event()
        self._threads = [
            threading.Thread(target=persist, args=(words, loop), name=name, daemon=True)
            for words, loop, name in (
                ("keeping blocks", self._keep, f"blocks-{queue_name}"),
                ("handing calls to Parsl", self._send, f"calls-{queue_name}"),
            )
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Gives all blocks back."""
        self._leave.set()
        self._is_wanted.set()
        self._calls.put(None)
        with self._lock:
            self._lock.notify_all()
        for thread in self._threads:
            # what waits for a scheduler's answer ends with this process, and blocks without it
            thread.join(_STOP_SECONDS)
        self._close()

    def open(self) -> None:
        """Has blocks from now on, as many as are to be kept without work."""
        self._is_wanted.set()

    def submit(self, make: Send, told: Sent) -> None:
        """Has a call made; from any thread, waiting for nothing.

        Args:
            make: gives what is to be sent, None: nothing any more.
            told: called, from a thread, with the future of what is on its way.
        """
        self._is_wanted.set()
        self._calls.put((make, told))

    @property
    def outstanding(self) -> int:
        pilot = self._pilot
        return 0 if pilot is None else int(pilot.outstanding())

    @property
    def running(self) -> int:
        """How many blocks have begun, as far as it is known."""
        pilot = self._pilot
        if pilot is None:
            return 0
        return sum(status.status_name == "RUNNING" for status in pilot.status_facade.values())

    def _send(self) -> None:
        while (call := self._calls.get()) is not None:
            make, told = call
            text = make()
            if text is None:
                continue
            with self._lock:
                self._lock.wait_for(lambda: self._pilot is not None or self._leave.is_set())
                if self._pilot is None:
                    return
                future: Future[str]
                try:
                    future = self._pilot.submit_payload(_CALL, text)
                except Exception as error:
                    # what keeps blocks sees it as well, and begins anew
                    future = Future()
                    future.set_exception(PilotGoneError(str(error)))
            told(future)

    def _keep(self) -> None:
        self._is_wanted.wait()
        if self._leave.is_set():
            return
        # who has no such queue does not wait for these to be imported
        from parsl.jobs.strategy import Strategy

        while not self._leave.is_set():
            strategy = Strategy(strategy="htex_auto_scale", max_idletime=self.settings.idle_seconds)
            try:
                pilot = self._opened()
                strategy.add_executors([pilot])
                while pilot.is_alive and not self._leave.is_set():
                    self._look(pilot, strategy)
                    self._leave.wait(self._pace_seconds)
                words = "" if self._leave.is_set() else "its interchange has ended"
            except Exception as error:
                words = f"{type(error).__name__}: {error}"
            if words:
                logger.warning("queue %s: Parsl is begun anew: %s", self.queue, words)
                self.problem = words
                self._close()
                self._slow_down()
                self._leave.wait(self._pace_seconds)

    def _opened(self) -> Pilot:
        from kotta_service.executors.parsl.pilots import Pilot

        logging.getLogger("parsl").setLevel(logging.WARNING)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clear()
        pilot = Pilot(self.queue, self.settings, self._folder / secrets.token_hex(6), self._archive)
        pilot.start()
        self._failed = frozenset()
        with self._lock:
            self._pilot = pilot
            self._lock.notify_all()
        return pilot

    def _look(self, pilot: Pilot, strategy: Strategy) -> None:
        """One look at the blocks, and at how many there should be."""
        os.utime(pilot.run_dir)
        pilot.poll_facade()
        states = dict(pilot.status_facade)
        failed = {name for name, status in states.items() if status.status_name in _FAILURES}
        new = sorted(failed - self._failed)
        self._failed = frozenset(failed)
        if new:
            self.problem = _words(states[new[-1]])
            logger.warning("queue %s: no block could be had: %s", self.queue, self.problem)
            self._slow_down()
        elif pilot.connected_managers():
            self.problem = ""
            self._pace_seconds = _PACE_SECONDS
        active = sum(status.status_name in ("PENDING", "RUNNING") for status in states.values())
        if states and active < self.settings.min_blocks:
            pilot.scale_out_facade(self.settings.min_blocks - active)
        strategy.strategize([pilot])

    def _slow_down(self) -> None:
        self._pace_seconds = min(self._pace_seconds * 2, _LONGEST_PACE_SECONDS)

    def _close(self) -> None:
        """Lets go of what there is, and of the calls that it has taken."""
        with self._lock:
            pilot, self._pilot = self._pilot, None
        if pilot is None:
            return
        for end in (pilot.cancel_blocks, pilot.shutdown):
            try:
                end()
            except Exception as error:
                logger.warning("queue %s: Parsl cannot be ended: %s", self.queue, error)
        for future in list(pilot.tasks.values()):
            with contextlib.suppress(Exception):
                future.set_exception(PilotGoneError("Parsl's interchange was ended"))

    def _clear(self) -> None:
        """Removes what was left by services that have ended, or been killed."""
        for folder in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > _OLD_SECONDS:
                    shutil.rmtree(folder)


def _words(status: JobStatus) -> str:
    """Why a block ended: what Parsl says, and the last that the block said itself."""
    said = (status.stderr_summary or "").strip().splitlines()[-1:]
    words = status.message if status.status_name == "FAILED" else ""
    if not words:
        code = f" with exit code {status.exit_code}" if status.exit_code else ""
        words = f"a block ended{code} before its workers were there"
    return ": ".join([words, *said])
