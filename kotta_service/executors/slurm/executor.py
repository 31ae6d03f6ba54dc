"""The executor `slurm`: how the traces of an attempt and Slurm's word are put together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
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
from kotta_service.executors.slurm import requests, states
from kotta_service.executors.slurm.archive import runner_archive
from kotta_service.executors.slurm.asking import Asking, View
from kotta_service.executors.slurm.commands import (
    BRIEF_SECONDS,
    PREFIX,
    Commands,
    SlurmError,
    SlurmJob,
    name_of,
)
from kotta_service.executors.slurm.folder import BARRED, Lives, SharedFolder, Traces, key_of
from kotta_service.executors.slurm.giving import account_of
from kotta_service.executors.slurm.partitions import Partitions
from kotta_service.executors.slurm.sending import Fate, Sending, Wanted
from kotta_service.persisting import persist
from kotta_service.settings import Settings

_NEWS_SECONDS = 0.25
_NEWS_SHARE = 4
"""Accounts may tell what takes long to read, again and again: a fifth of a core is for that."""
_VISIBLE_SECONDS = 2
"""How long what a runner wrote last may take to be seen here, once Slurm has ended its job."""
_SILENCES = 3
"""A runner that has missed so many of its times to show that it lives counts as silent."""
_INSIST_SECONDS = 30
"""How much longer than its grace a runner may take to cancel before Slurm is asked to end it."""
_SIGKILL, _SHELL_SIGKILL = 9, 137


class SlurmExecutor:
    """Executor of a cluster with Slurm and a folder that all its nodes share with the service.

    Args:
        folder: where attempts' directories lie.
        on_phase: called, from a thread, with the timeline of an attempt that entered a phase.
        on_exit: called, from a thread, with the exit record of an attempt, or None if it is an
            account's word, of which a look tells.
    """

    name = "slurm"

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        on_phase: OnPhase,
        on_exit: OnExit,
    ) -> None:
        self._settings = settings
        self._slurm = settings.slurm
        self._takes_accounts = any(
            queue.executor == self.name and queue.has_runners_of_accounts
            for queue in settings.queues.values()
        )
        self._folder = SharedFolder(folder, is_passable=self._takes_accounts)
        self._owners: dict[str, int] = {}
        self._on_phase = on_phase
        self._on_exit = on_exit
        self._archive = runner_archive(folder)
        self._commands = Commands(settings.slurm, self._is_ours)
        self._partitions = Partitions(self._commands)
        self._asking = Asking(self._commands, settings.slurm.poll_seconds, self._on_view)
        self._sending = Sending(self._commands, self._prepare)
        self._lives = Lives()
        self._cancelling: dict[Key, float] = {}
        self._known: frozenset[Key] = frozenset()
        self._leave = threading.Event()
        self._listener = threading.Thread(
            target=persist, args=("hearing runners", self._listen), name="slurm-news", daemon=True
        )

    @property
    def round_seconds(self) -> float:
        return self._asking.pause_seconds

    def start(self) -> None:
        self._asking.start()
        self._sending.start()
        self._listener.start()

    def stop(self) -> None:
        self._leave.set()
        self._sending.stop()
        self._asking.stop()
        self._listener.join()

    def directory(self, key: Key) -> Path:
        return self._folder.directory(key)

    def submit(self, launch: dict[str, Any]) -> None:
        key = Key(launch["job_id"], launch["attempt"])
        self._asking.forget(name_of(key))
        self._sending.submit(key, launch)
        self._asking.want()

    def poll(self, keys: Iterable[Key]) -> dict[Key, Sighting]:
        known = frozenset(keys)
        if known:
            self._asking.want()
        self._forget(self._known - known)
        self._known = known
        view = self._asking.view
        found = {key: self._look(key, view) for key in known}
        return {key: sighting for key, sighting in found.items() if sighting is not None}

    def look(self, key: Key) -> Sighting | None:
        return self._look_at_traces(key, self._asking.view)

    def _forget(self, gone: frozenset[Key]) -> None:
        """Forgets what is placed no more, and keeps what came while the rest was being read."""
        known = self._known - gone
        self._sending.forget(gone)
        alive = known | self._sending.handed_over()
        self._lives.forget_all_but(set(alive))
        names = {name_of(key) for key in alive}
        self._asking.forget_all_but(names)
        self._owners = {name: owner for name, owner in list(self._owners.items()) if name in names}
        self._cancelling = {key: at for key, at in self._cancelling.items() if key in alive}

    def cancel(self, key: Key) -> bool:
        if self._folder.bar(key):
            self._sending.forget([key])
            self._sending.cancel([key])
            return True
        self._folder.ask_cancel(key)
        now = time.monotonic()
        asked_at = self._cancelling.get(key)
        if asked_at is None:
            self._cancelling[key] = now
            self._sending.wake(key)
        elif now - asked_at > self._settings.grace_seconds + _INSIST_SECONDS:
            self._cancelling[key] = now
            self._sending.cancel([key])
        return False

    def end_leftovers(self, key: Key) -> None:
        """Slurm ends what belongs to a job; a runner that may yet live is kept from starting."""
        self._folder.bar_start(key)
        self._sending.cancel([key])

    def problems(self, queue: str, description: JobDescription) -> list[tuple[str, str]]:
        settings = self._settings.queues[queue]
        if missing := self._partitions.missing(settings):
            return [("queue", f"is `{queue}`, but Slurm has no partition `{missing[0]}`")]
        return list(requests.problems(settings, self._partitions.of(settings), description))

    def room(self, queue: str, waiting: int) -> int:
        return max(0, self._slurm.max_pending - waiting)

    def size(self, queue: str) -> QueueSize | None:
        partition = self._partitions.of(self._settings.queues[queue], is_fresh=True)
        return None if partition is None else partition.size()

    def wait_of(self, key: Key) -> Wait | None:
        handover = self._sending.handover(key)
        if handover is not None and handover.fate is Fate.PUT_OFF:
            return Wait("", "", f"Slurm does not take it yet: {handover.words}")
        try:
            named = self._commands.named([name_of(key)], BRIEF_SECONDS)
        except SlurmError as error:
            return Wait("", "", f"Slurm does not answer: {error}")
        jobs = [job for job in named if job.state in states.WAITS]
        if not jobs:
            return Wait("", "", "it is being handed to Slurm, or about to begin")
        job = jobs[-1]
        words = states.reason_in_words(job.reason)
        return Wait(job.native_id, job.reason, words, job.starts_at)

    def _look(self, key: Key, view: View) -> Sighting | None:
        name = name_of(key)
        handover = self._sending.handover(key)
        if handover is not None and handover.fate is Fate.REFUSED:
            return Sighting(Sight.LOST, verdict=states.refused(handover.words))
        if view.waits(name):
            return Sighting(Sight.WAITING)
        return self._look_at_traces(key, view)

    def _look_at_traces(self, key: Key, view: View) -> Sighting | None:
        """The same where something was told, of which that query may not know yet."""
        name, handover = name_of(key), self._sending.handover(key)
        traces = self._folder.look(key)
        if traces.record is not None:
            return self._with_place(key, traces, self._ended(key, traces.record, view))
        if traces.claim not in (None, BARRED):
            return self._claimed(key, traces, view)
        if view.has(name):
            return Sighting(Sight.WAITING)
        if handover is not None and (
            handover.fate is not Fate.TAKEN or view.asked_at <= handover.at
        ):
            return Sighting(Sight.WAITING)
        return self._vanished(key)

    def _vanished(self, key: Key) -> Sighting | None:
        """Of an attempt that nobody has claimed, and that is in no view."""
        fate = self._asking.fate(name_of(key))
        if fate is None:
            return None
        state, known_seconds = fate
        after = states.after_the_end(state)
        if after.verdict is not None:
            return after
        is_new = self._sending.handover(key) is None
        # what this process has not handed over may never have been: there is nothing to wait for
        enough = 0 if is_new and not state else self._slurm.absent_seconds
        if state:
            enough = min(_VISIBLE_SECONDS, self._slurm.absent_seconds)
        if known_seconds < enough:
            return Sighting(Sight.WAITING)
        lines = self._folder.log(key).strip().splitlines()
        words = f"its runner could not begin: {lines[-1][:500]}" if lines else ""
        return Sighting(Sight.ABSENT, words=words)

    def _claimed(self, key: Key, traces: Traces, view: View) -> Sighting | None:
        """Of an attempt that a runner has claimed, and that has no record yet."""
        silent_seconds = self._lives.silent_seconds(key, traces.alive)
        running = Sighting(Sight.RUNNING, phase=traces.phase)
        name = name_of(key)
        if view.has(name):
            return running
        fate = self._asking.fate(name)
        if fate is None:
            return running
        state, known_seconds = fate
        is_silent = silent_seconds >= _SILENCES * self._slurm.alive_seconds
        if state in states.GONE_FOR_SURE:
            is_over = known_seconds >= min(_VISIBLE_SECONDS, self._slurm.absent_seconds)
        elif state:
            is_over = is_silent
        else:
            is_over = is_silent and known_seconds >= self._slurm.absent_seconds
        return states.after_the_end(state, self._folder.log(key)) if is_over else running

    def _ended(self, key: Key, record: dict[str, Any], view: View) -> Sighting:
        """Of an attempt that has left its record; why the cluster ended it, Slurm knows."""
        if not needs_slurms_word(record):
            return Sighting(Sight.ENDED, record=record)
        name = name_of(key)
        fate = None if view.has(name) else self._asking.fate(name)
        if fate is None:
            return Sighting(Sight.RUNNING)
        return states.with_slurms_word(record, fate[0])

    def _with_place(self, key: Key, traces: Traces, sighting: Sighting) -> Sighting:
        if traces.account is None:
            return sighting
        return replace(sighting, held=self._folder.directory(key))

    def _is_ours(self, job: SlurmJob) -> bool:
        """Whether it is of whom it was submitted as: any user can call a job of theirs so."""
        if not self._takes_accounts:
            return job.uid == os.geteuid()
        owner = self._owners.get(job.name)
        if owner is None:
            key = key_of(job.name.removeprefix(PREFIX))
            owner = None if key is None else self._folder.owner(key)
            if owner is None:
                return False
            self._owners[job.name] = owner
        return job.uid == owner

    def _prepare(self, key: Key, launch: dict[str, Any]) -> Wanted | None:
        """Leaves what the runner needs in the shared folder."""
        if self._folder.is_barred(key):
            return None
        queue = self._settings.queues[launch["resources"]["queue"]]
        account = account_of(launch)
        written = self._folder.write_launch(key, self._for_a_node(key, launch), account)
        self._owners.pop(name_of(key), None)
        return requests.wanted(
            self._settings,
            queue,
            self._partitions.of(queue),
            launch,
            account,
            archive=self._archive,
            written=written,
        )

    def _for_a_node(self, key: Key, launch: dict[str, Any]) -> dict[str, Any]:
        environment = {
            name: value for name, value in launch["environment"].items() if name != "TMPDIR"
        }
        url = self._slurm.url.rstrip("/")
        return {
            **launch,
            "environment": environment,
            "claim": {
                "renew_seconds": self._slurm.alive_seconds,
                "news": str(self._folder.news_of(key)),
            },
            "cluster": {
                "grace_seconds": self._partitions.kill_wait_seconds / 2,
                "variables": requests.INHERITED,
            },
            # its record is in the folder already: a node is not held for the service to come back
            "report_seconds": 0,
            "service": {**launch["service"], "address": url} if url else None,
        }

    def _on_view(self, view: View) -> None:
        self._sending.review(view)
        # what was cancelled before it began, while Slurm did not listen
        known = {name_of(key) for key in self._known}
        found = [key_of(name.removeprefix(PREFIX)) for name in view.jobs if name not in known]
        strays = [key for key in found if key is not None]
        barred = [key for key in strays if self._folder.is_barred(key)]
        if barred:
            self._sending.cancel(barred)

    def _listen(self) -> None:
        """Passes on what runners have to tell, for as long as anything is placed."""
        pause_seconds = _NEWS_SECONDS
        while not self._leave.wait(pause_seconds):
            used_before = time.thread_time()
            for key in self._folder.heard():
                if self._takes_accounts and not self._is_placed(key):
                    continue  # anybody may have said so
                traces = self._folder.look(key)
                if traces.record is not None and not needs_slurms_word(traces.record):
                    self._on_exit(key, traces.record if traces.account is None else None)
                elif traces.phase is not None:
                    self._on_phase(key, traces.phase.get("timeline", {}))
            if self._takes_accounts:
                used_seconds = time.thread_time() - used_before
                pause_seconds = max(_NEWS_SECONDS, used_seconds * _NEWS_SHARE)

    def _is_placed(self, key: Key) -> bool:
        # a process that does not start jobs knows of none, and passes the word on
        return not self._known or key in self._known or self._sending.handover(key) is not None


def needs_slurms_word(record: dict[str, Any]) -> bool:
    """Whether Slurm knows more of an end than the runner: who ended it, or that memory ran out."""
    if record.get("reason") == "cluster":
        return True
    return record.get("status") == "failed" and (
        record.get("signal") == _SIGKILL or record.get("exit_code") == _SHELL_SIGKILL
    )
