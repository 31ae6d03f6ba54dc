"""The executor `parsl`: how the traces of an attempt and what became of its call go together."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kotta.models import JobDescription
from kotta_service.executors import (
    Key,
    OnExit,
    OnPhase,
    QueueSize,
    Sight,
    Sighting,
    Wait,
)
from kotta_service.executors.parsl.blocks import Blocks
from kotta_service.executors.slurm.archive import runner_archive
from kotta_service.executors.slurm.folder import BARRED, Lives, SharedFolder, Traces
from kotta_service.persisting import persist
from kotta_service.settings import Settings

_NEWS_SECONDS = 0.25
_VISIBLE_SECONDS = 2
"""How long what a runner wrote last may take to be seen here, once it has left."""
_SILENCES = 3
"""A runner that has missed so many of its times to show that it lives counts as gone."""
_GRACE_SECONDS = 10.0
"""What commands have of the time between a block's SIGTERM and its SIGKILL."""
_INHERITED = (
    "PARSL_", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "TMPDIR",
)  # fmt: skip
"""Beginnings of variables by which a worker tells a job what is its. Those of the scheduler are
about the block, and would have `mpirun` take all of it."""


@dataclass
class _Handover:
    """An attempt that this process has handed over.

    Attributes:
        blocks: where to.
        over_at: when its call was over without a record that could be taken in, on the monotonic
            clock; None: it waits or is at work.
        is_sure: whether its runner has left for sure, rather than been lost sight of.
        words: what is known of why.
    """

    blocks: Blocks
    over_at: float | None = None
    is_sure: bool = False
    words: str = ""


class ParslExecutor:
    """Executor of nodes that Parsl holds, each queue in blocks of its own.

    Args:
        folder: where attempts' directories lie; nodes see it too.
        on_phase: called, from a thread, with the timeline of an attempt that entered a phase.
        on_exit: called, from a thread, when a call is over, with the exit record, if any.
    """

    name = "parsl"
    round_seconds: float = 1.0

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        on_phase: OnPhase,
        on_exit: OnExit,
    ) -> None:
        self._settings = settings
        self._parsl = settings.parsl
        self._folder = SharedFolder(folder)
        self._on_phase = on_phase
        self._on_exit = on_exit
        archive = runner_archive(folder)
        self._blocks = {
            name: Blocks(name, queue.parsl, folder / "blocks" / name, archive)
            for name, queue in settings.queues.items()
            if queue.executor == "parsl"
        }
        self._handed: dict[Key, _Handover] = {}
        self._known: frozenset[Key] = frozenset()
        self._lives = Lives()
        self._leave = threading.Event()
        self._listener = threading.Thread(
            target=persist, args=("hearing runners", self._listen), name="parsl-news", daemon=True
        )

    def start(self) -> None:
        for blocks in self._blocks.values():
            blocks.start()
        self._listener.start()

    def stop(self) -> None:
        """Gives all blocks back, which ends what runs in them."""
        self._leave.set()
        for blocks in self._blocks.values():
            blocks.stop()
        self._listener.join()

    def directory(self, key: Key) -> Path:
        return self._folder.directory(key)

    def submit(self, launch: dict[str, Any]) -> None:
        key = Key(launch["job_id"], launch["attempt"])
        blocks = self._blocks[launch["resources"]["queue"]]
        handover = self._handed[key] = _Handover(blocks)
        blocks.submit(
            lambda: self._prepare(key, launch, blocks),
            lambda future: future.add_done_callback(lambda done: self._done(key, handover, done)),
        )

    def poll(self, keys: Iterable[Key]) -> dict[Key, Sighting]:
        known = frozenset(keys)
        for key in self._known - known:
            self._handed.pop(key, None)
        self._known = known
        self._lives.forget_all_but(set(known))
        for blocks in self._blocks.values():
            # this is asked where jobs are started: of several processes, one needs blocks
            if blocks.settings.min_blocks:
                blocks.open()
        return {key: self.look(key) for key in known}

    def look(self, key: Key) -> Sighting:
        handover = self._handed.get(key)
        traces = self._folder.look(key)
        if traces.record is not None:
            return _ended(traces.record)
        is_claimed = traces.claim not in (None, BARRED)
        if handover is not None and handover.over_at is None:
            return Sighting(Sight.RUNNING if is_claimed else Sight.WAITING, phase=traces.phase)
        if not is_claimed:
            # should it be in some queue of Parsl's yet: whoever claims it first, has it
            return Sighting(Sight.ABSENT, words=handover.words if handover else "")
        return self._claimed(key, handover, traces)

    def _claimed(self, key: Key, handover: _Handover | None, traces: Traces) -> Sighting:
        """Of an attempt that was begun, and that no call of ours is about any more."""
        if handover is not None and handover.is_sure and handover.over_at is not None:
            is_over = time.monotonic() - handover.over_at >= _VISIBLE_SECONDS
            words = "its runner was gone without a record"
        else:
            silent_seconds = self._lives.silent_seconds(key, traces.alive)
            is_over = silent_seconds >= _SILENCES * self._parsl.alive_seconds
            words = "its block was lost" + (f": {handover.words}" if handover else "")
            if handover is None:
                words = "the service was ended, and its blocks with it"
        if is_over:
            return Sighting(Sight.LOST, words=words)
        return Sighting(Sight.RUNNING, phase=traces.phase)

    def cancel(self, key: Key) -> bool:
        if self._folder.bar(key):
            self._handed.pop(key, None)
            return True
        self._folder.ask_cancel(key)
        return False

    def end_leftovers(self, key: Key) -> None:
        """What holds a node ends what runs there; a runner that may yet live cannot start it."""
        self._folder.bar_start(key)

    def problems(self, queue: str, description: JobDescription) -> list[tuple[str, str]]:
        settings = self._blocks[queue].settings
        found = []
        if description.cpus > (cores := settings.cores_per_worker):
            words = f"is {description.cpus}, but a worker of queue `{queue}` has {cores}"
            found.append(("cpus", f"{words} core{'s' if cores > 1 else ''}"))
        if description.gpus > (most := min(1, settings.accelerators_per_node)):
            has = "one GPU" if most else "no GPU"
            found.append(
                ("gpus", f"is {description.gpus}, but a worker of queue `{queue}` has {has}")
            )
        return found

    def room(self, queue: str, waiting: int) -> int:
        return max(0, self._parsl.max_pending - waiting)

    def size(self, queue: str) -> QueueSize | None:
        """What it may grow to, and how much of that is at work; memory is the nodes' matter."""
        blocks = self._blocks[queue]
        settings = blocks.settings
        workers = settings.max_blocks * settings.workers_per_block
        busy = min(workers, blocks.outstanding)
        cores = settings.cores_per_worker
        return QueueSize(workers * cores, busy * cores, 0, 0)

    def wait_of(self, key: Key) -> Wait | None:
        handover = self._handed.get(key)
        if handover is None:
            return None
        if handover.blocks.problem:
            return Wait("", "", f"no block of nodes can be had: {handover.blocks.problem}")
        if not handover.blocks.running:
            return Wait("", "", "it waits for a block of nodes to begin")
        return Wait("", "", "it waits for a worker to be free")

    def _prepare(self, key: Key, launch: dict[str, Any], blocks: Blocks) -> bytes | None:
        """What a worker is sent; the attempt's directory is there then."""
        if self._folder.is_barred(key):
            return None
        self._folder.directory(key).mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {
            name: value for name, value in launch["environment"].items() if name != "TMPDIR"
        }
        url = self._parsl.url.rstrip("/")
        service = launch["service"]
        if url:
            service = {**service, "address": url}
        elif blocks.settings.provider != "local":
            service = None
        sent = {
            **launch,
            "environment": environment,
            "claim": {
                "renew_seconds": self._parsl.alive_seconds,
                "news": str(self._folder.news_of(key)),
                "tells_end": False,
            },
            "cluster": {"grace_seconds": _GRACE_SECONDS, "variables": _INHERITED},
            # its record is in the folder already: a node is not held for the service to come back
            "report_seconds": 0,
            "service": service,
        }
        return json.dumps(sent).encode()

    def _done(self, key: Key, handover: _Handover, future: Future[str]) -> None:
        """Takes in what became of a call."""
        if self._leave.is_set():
            return  # what has ended with this service, its next one finds
        error = future.exception()
        if error is not None:
            handover.words = str(error) or type(error).__name__
        elif record := _record(future.result()):
            if record.get("reason") != "cluster":
                self._handed.pop(key, None)
                self._on_exit(key, record)
                return
        else:
            handover.is_sure = True
        handover.over_at = time.monotonic()
        self._on_exit(key, None)

    def _listen(self) -> None:
        """Passes on what runners have to tell of their phases; of ends, calls tell."""
        while not self._leave.wait(_NEWS_SECONDS):
            for key in self._folder.heard():
                traces = self._folder.look(key)
                if traces.record is None and traces.phase is not None:
                    self._on_phase(key, traces.phase.get("timeline", {}))


def _record(text: str) -> dict[str, Any] | None:
    value = json.loads(text) if text else None
    return value if isinstance(value, dict) else None


def _ended(record: dict[str, Any]) -> Sighting:
    """Of an attempt that has left its record: what its block's end has cut short is lost."""
    if record.get("reason") != "cluster":
        return Sighting(Sight.ENDED, record=record)
    words = "its block of nodes ended, and it with it"
    return Sighting(Sight.LOST, record={**record, "reason": "lost", "error": words}, words=words)
