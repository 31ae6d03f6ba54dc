"""Starts what fits, and learns what became of it; of several processes, one does.

It is part of every commit that makes room or adds work (`assign`), and a loop of its own that
looks at what runs (`_watch`). A restart of the service is that loop's first round, with no special
path.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from pydantic import ValidationError

from kotta.errors import KottaError, UnavailableError
from kotta.models import JobDescription
from kotta_service import jobs
from kotta_service.endings import Rule, advancing, beginning, ending, finishing, losing
from kotta_service.executors import Begun, Executor, Key, Sight, Sighting
from kotta_service.executors.router import Executors
from kotta_service.hearsay import believed
from kotta_service.launching import REFUSALS, Launches
from kotta_service.limits import Allowance
from kotta_service.messages import ExitRecord
from kotta_service.persisting import persist
from kotta_service.rooms import Room
from kotta_service.rounds import ROUND_SECONDS, BesideRounds, Rounds
from kotta_service.settings import Settings
from kotta_service.storage import Storage
from kotta_service.store import jobs as store
from kotta_service.store import queues
from kotta_service.store.database import Database, Transaction
from kotta_service.store.jobs import JobRow
from kotta_service.store.queues import Load
from kotta_service.turns import Turn

logger = logging.getLogger(__name__)
LOOKS_AT_ONCE = 4
"""How many attempts' outputs are looked for in S3, or taken over, at once."""
MAX_HANDOVERS = 4
"""How often an attempt whose runners die before its command is started is handed over."""
_ASSIGN, _LOOK = "assign", "look"
"""What a process says to the one that dispatches: there is something to start; look at a job."""


class Dispatcher:
    """Keeps executors supplied and one database informed.

    Attributes:
        came_round_at: when it last looked, on the monotonic clock: one that is stuck can be told.
    """

    def __init__(
        self,
        database: Database,
        executors: Executors,
        launches: Launches,
        storage: Storage,
        settings: Settings,
        turn: Turn,
    ) -> None:
        self._database = database
        self._turn = turn
        self._executors = executors
        self._rounds = {executor: Rounds() for executor in executors.all}
        self._launches = launches
        self._storage = storage
        # what may take a while: looks at what is in S3, and taking over what an account holds
        takes_over = any(queue.has_runners_of_accounts for queue in settings.queues.values())
        needs_looks = storage.is_direct or takes_over
        self._looks = BesideRounds(LOOKS_AT_ONCE) if needs_looks else None
        self._settings = settings
        self._handovers: Counter[Key] = Counter()
        self.came_round_at = time.monotonic()
        self._wishes: queue.SimpleQueue[Key | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=persist, args=("the dispatcher", self._watch), name="dispatcher", daemon=True
        )

    def start(self) -> None:
        self._database.before_commit = self._before_commit
        self._database.on_word = self._hear
        self._thread.start()

    def stop(self) -> None:
        self._wishes.put(None)
        self._thread.join()
        if self._looks is not None:
            self._looks.end()
        self._turn.give_up()

    @property
    def is_its_turn(self) -> bool:
        """Whether, of the processes on this database, this is the one that starts jobs."""
        return self._turn.is_ours

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def look_at(self, key: Key) -> None:
        """Look at this attempt now rather than in the next round. May be called from any thread."""
        if self._turn.is_ours:
            self._wishes.put(key)
        else:
            word = f"{_LOOK} {key.job_id} {key.attempt}"
            self._database.write(lambda transaction: transaction.tell_others(word))

    def end_placed(self, rows: Sequence[JobRow]) -> None:
        """Sees to the end of placed jobs that was asked for; what is held has ended on return."""
        held, local = [], self._executors.local
        for row in rows:
            key = Key(row.id, queues.placed_attempt(row))
            is_held = row.status == "pending" and self._executors.of(row.queue) is local
            if is_held and self._turn.is_ours and local.cancel(key):
                held.append(key)
            else:
                self.look_at(key)
        if held:
            self._ask([(key, jobs.drop) for key in held]).result()

    def runner_entered(
        self, key: Key, timeline: dict[str, float], begun: Begun | None = None
    ) -> None:
        """Takes in that an attempt entered a phase, from any thread, waiting for nothing."""
        self._ask([*_beginning(begun), (key, advancing(timeline))])

    def runner_left(
        self, key: Key, record: dict[str, Any] | None, begun: Begun | None = None
    ) -> None:
        """Takes in the exit record of an attempt whose runner has just left, from any thread.

        Nothing is waited for: should this be lost, the next round finds the record.
        """
        heard = _beginning(begun)
        try:
            if record is None or self._storage.is_direct:
                self.look_at(key)
            else:
                heard.append((key, finishing(ExitRecord.model_validate(record))))
        except ValidationError:
            self.look_at(key)
        if heard:
            self._ask(heard)

    def assign(self, transaction: Transaction) -> None:
        """Moves the longest-waiting jobs that fit into their next attempt; hands them over after.

        In each queue the first job that does not fit holds up those behind it, so that a large job
        is not starved by small ones. A user's job beyond their limits holds up theirs alone.
        An engine that counts by itself gets what it has room for, and what it starts when is its
        own business. Where jobs end quickly, the next ones are held by the launcher beforehand.
        """
        now = time.time()
        allowance = Allowance(transaction.connection, self._settings)
        loads = queues.loads(transaction.connection)
        for name, size in self._settings.queues.items():
            if size.is_counted:
                load = loads.get(name, Load())
                room = Room.counted(size, load, holds=name in transaction.quick_queues)
            else:
                waiting = queues.handed_over(transaction.connection, name)
                room = Room.of_engine(self._executors.of(name).room(name, waiting))
            if room.most:
                self._fill(transaction, name, room, allowance, now)

    def _fill(
        self, transaction: Transaction, name: str, room: Room, allowance: Allowance, now: float
    ) -> None:
        """Gives a queue's jobs to its executor as far as there is room for them."""
        is_counted = self._settings.queues[name].is_counted
        executor = self._executors.of(name)
        started: list[JobRow] = []
        handed_over: list[JobRow] = []
        for row in allowance.in_turn(transaction.connection, name, room.most, held=is_counted):
            is_held = row.handed_over_at is not None
            if is_held and row.cancel_requested_at is not None:
                continue  # its executor is about to be told
            may_begin = room.fits(row)
            if not may_begin and not room.may_hold(row):
                break
            if may_begin or not is_held:
                try:
                    launch = self._launches.make(transaction.connection, row, row.attempt + 1)
                except REFUSALS as error:
                    jobs.refuse(transaction, row, error.message, now)
                    if is_held:
                        key = Key(row.id, row.attempt + 1)
                        transaction.after_commit(partial(_bar, self._executors.local, key))
                    continue
                hand_over = executor.submit if may_begin else self._executors.local.hold
                transaction.after_commit(partial(hand_over, launch))
                if not is_held:
                    allowance.take(row.owner, row.cpus)
                (started if may_begin and is_counted else handed_over).append(row)
            if may_begin:
                room.take(row)
            else:
                room.hold()
            if not room.most:
                break
        if started:
            queues.start_attempts(transaction, started, now)
        if handed_over:
            queues.hand_over(transaction, handed_over, now)

    def _before_commit(self, transaction: Transaction) -> None:
        if self._turn.is_ours_in(transaction):
            self.assign(transaction)
        else:
            transaction.tell_others(_ASSIGN)

    def _hear(self, word: str) -> None:
        """Takes in what another process says, from any thread, waiting for nothing."""
        if not self._turn.is_ours:
            return
        kind, *key = word.split(" ")
        if kind == _ASSIGN:
            self._database.write(_assigning)
        elif kind == _LOOK and len(key) == 2 and key[1].isdigit():
            self._wishes.put(Key(key[0], int(key[1])))

    def _watch(self) -> None:
        if self._takes_turn():
            self._nudge()
        while True:
            deadline = time.monotonic() + ROUND_SECONDS
            try:
                while (remaining := deadline - time.monotonic()) > 0:
                    key = self._wishes.get(timeout=remaining)
                    if key is None:
                        return
                    self._guarded(partial(self._look_at_one, key))
            except queue.Empty:
                pass
            self.came_round_at = time.monotonic()
            if self._takes_turn():
                self._go_round()
                if not self._turn.is_leased:
                    self._guarded(self._start_what_waits)

    def _takes_turn(self) -> bool:
        """Whether it is this process that dispatches, for now."""
        try:
            # what others submitted is started even if their word was not heard
            return self._turn.keep(_assigning)
        except Exception as error:
            logger.warning("it is not known whose turn it is to start jobs: %s", error)
            return False

    def _start_what_waits(self) -> None:
        """Starts what no commit has, though there is room: one that was to may have failed.

        With a lease that is part of keeping it.
        """
        with self._database.read() as connection:
            if not queues.anything_waits(connection):
                return
        self._database.write(_assigning).result()

    def _go_round(self) -> None:
        """Looks at all that each executor has, as often as it is worth its while."""
        for executor, rounds in self._rounds.items():
            if rounds.is_due(executor.round_seconds):
                with rounds.measured():
                    self._guarded(partial(self._look_at_all, executor))

    def _guarded(self, look: Callable[[], None]) -> bool:
        """One look, at one attempt or at all; after a failure the next round tries again.

        Returns:
            Whether the database is there.
        """
        self.came_round_at = time.monotonic()
        try:
            look()
        except Exception as error:
            is_away = isinstance(self._database.translated(error), UnavailableError)
            words = "a round of the dispatcher failed; the next one tries again"
            logger.warning("%s: %s", words, error, exc_info=not is_away)
            return not is_away
        return True

    def _look_at_one(self, key: Key) -> None:
        with self._database.read() as connection:
            row = store.summary_by_id(connection, key.job_id)
        if row is None or not _is_at(row, key):
            return
        executor = self._executors.of(row.queue)
        sighting = executor.look(key)
        if sighting is not None:
            self._settle(executor, key, row, sighting)

    def _look_at_all(self, executor: Executor) -> None:
        is_local = executor is self._executors.local
        names = self._executors.queues_of(executor)
        if is_local:
            # and what is in a queue that is there no more
            others = [each for each in self._executors.all if each is not executor]
            names = [name for other in others for name in self._executors.queues_of(other)]
        with self._database.read() as connection:
            found = queues.placed(connection, names, but=is_local)
        rows = {Key(row.id, queues.placed_attempt(row)): row for row in found}
        for seen, sighting in executor.poll(rows).items():
            # what cannot be settled of one holds up no other
            if not self._guarded(partial(self._settle, executor, seen, rows[seen], sighting)):
                return

    def _settle(self, executor: Executor, key: Key, row: JobRow, sighting: Sighting) -> None:
        """Brings the database to what was seen of one attempt.

        Args:
            row: at least the columns that are watched.
        """
        if sighting.sight is Sight.ENDED:
            self._finish(key, sighting)
        elif sighting.sight is Sight.LOST:
            executor.end_leftovers(key)
            if sighting.record is None:
                self._write(key, losing(sighting))
            else:
                self._finish(key, sighting)
        elif row.cancel_requested_at is not None:
            if executor.cancel(key):
                self._write(key, jobs.drop)
        elif sighting.sight is Sight.ABSENT:
            self._hand_over_again(executor, key, sighting)
        elif sighting.sight is Sight.RUNNING and sighting.phase:
            timeline = sighting.phase.get("timeline", {})
            if row.status != sighting.phase.get("phase"):
                self._write(key, advancing(timeline))

    def _finish(self, key: Key, sighting: Sighting) -> None:
        try:
            record = ExitRecord.model_validate(sighting.record)
        except ValidationError as error:
            logger.error("the exit record of %s cannot be understood: %s", key, error)
            self._write(key, jobs.lose)
            return
        if (record.job_id, record.attempt) != key:
            logger.error("the exit record of %s is of another attempt", key)
            self._write(key, jobs.lose)
        elif self._looks is not None and (self._storage.is_direct or sighting.held is not None):
            # it may take its time, in which other attempts are to be looked at
            self._looks.begin(
                key, lambda: self._write(key, ending(sighting, self._checked(record, sighting)))
            )
        else:
            self._write(key, ending(sighting, record))

    def _checked(self, record: ExitRecord, sighting: Sighting) -> ExitRecord:
        """The record, as far as what it says is so."""
        if sighting.held is not None:
            with self._database.read() as connection:
                row = store.whole(connection, record.job_id)
            if row is None:
                return record  # it was forgotten meanwhile, and nothing is done
            description = JobDescription.model_construct(**row.description)
            record = believed(record, description, self._settings.max_output_mib)
        return self._storage.checked(record, sighting.held)

    def _hand_over_again(self, executor: Executor, key: Key, sighting: Sighting) -> None:
        self._handovers[key] += 1
        if self._handovers[key] > MAX_HANDOVERS and executor.cancel(key):
            self._write(key, losing(sighting))
            return
        try:
            with self._database.read() as connection:
                row = store.whole(connection, key.job_id)
                if row is None or not _is_at(row, key):
                    return
                launch = self._launches.make(connection, row, key.attempt)
                # begun by our own, it would be more than there is room for
                is_held = row.status == "pending" and executor is self._executors.local
        except REFUSALS as error:
            words = error.message
            self._write(key, lambda tx, row, now: jobs.refuse(tx, row, words, now))
        else:
            hand_over = self._executors.local.hold if is_held else executor.submit
            hand_over(launch)

    def _write(self, key: Key, rule: Rule) -> None:
        """Applies a rule to the job, and waits until it is on disk."""
        self._ask([(key, rule)]).result()
        self._handovers.pop(key, None)

    def _ask(self, rules: Sequence[tuple[Key, Rule]]) -> Future[None]:
        """Has rules applied to jobs, each if it still is at this attempt and placed; together."""

        def action(transaction: Transaction) -> None:
            for key, rule in rules:
                row = store.summary_by_id(transaction.connection, key.job_id)
                if row is not None and _is_at(row, key):
                    rule(transaction, row, time.time())

        return self._database.write(action)

    def _nudge(self) -> None:
        """Assigns what was left pending when the service last ended."""
        try:
            self._database.write(_assigning).result()
        except KottaError:
            logger.exception("nothing could be started; the next commit tries again")


def _bar(executor: Executor, key: Key) -> None:
    """Keeps an attempt from beginning; one that has begun is asked to end."""
    executor.cancel(key)


def _beginning(begun: Begun | None) -> list[tuple[Key, Rule]]:
    return [] if begun is None else [(begun.key, beginning(begun.at))]


def _assigning(transaction: Transaction) -> None:
    transaction.needs_assignment = True


def _is_at(row: JobRow, key: Key) -> bool:
    """Whether a job is placed, with this attempt."""
    return queues.is_placed(row) and queues.placed_attempt(row) == key.attempt
