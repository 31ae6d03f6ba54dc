"""Connections, and the one thread that writes.

All writes go through `Database.write`: a single thread takes what has gathered in its queue and
commits it as one transaction, so a hundred submissions cost one sync of the disk, and an answer is
given only after that sync. Several processes may do so on one database where its kind allows it;
what differs between the kinds is in `backends`.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Insert, bindparam, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kotta.errors import StorageFullError, UnavailableError
from kotta_service.persisting import persist
from kotta_service.store import schema
from kotta_service.store.backends import News, backend_of

T = TypeVar("T")
logger = logging.getLogger(__name__)
MAX_BATCH = 500
RIDE_OUT_SECONDS = 2.0
"""For so long a write waits for a database that is away, before whoever asked is told so."""
PAUSES_SECONDS = (0.02, 0.5)
"""Between two tries of it: at first, and at most."""
SETTLE_SECONDS = 20.0
"""For so long a commit without an answer waits for somebody who knows whether it counts."""
ASK_AGAIN_SECONDS = 1
_KEEP_COUNTERS = (
    update(schema.counters)
    .where(schema.counters.c.name == bindparam("counter"))
    .values(value=bindparam("last"))
)


class Transaction:
    """What a write is given: a connection, and a place to leave what must follow the commit."""

    def __init__(self, connection: Connection, counters: dict[str, int]) -> None:
        self.connection = connection
        self._counters = counters
        self._taken: set[str] = set()
        self._last: dict[Insert, list[dict[str, Any]]] = {}
        self.needs_assignment = False
        self.ends_jobs = False
        self.quick_queues: set[str] = set()
        self.words_for_others: list[str] = []
        self.changes_accounts = False
        self._after_commit: list[Callable[[], None]] = []

    @property
    def last_change(self) -> int:
        """The number of the latest change that was made in it, 0 if none was."""
        return self._counters["change"] if "change" in self._taken else 0

    def take_numbers(self, counter: str, count: int) -> int:
        """The first of `count` consecutive new numbers."""
        first = self._counters[counter] + 1
        self._counters[counter] += count
        self._taken.add(counter)
        return first

    def insert_last(self, statement: Insert, rows: list[dict[str, Any]]) -> None:
        """Adds rows that nothing in the transaction reads, once all else is done.

        Those of many actions go to the database together.
        """
        self._last.setdefault(statement, []).extend(rows)

    def finish(self) -> None:
        """Writes what has been left for the end."""
        for statement, rows in self._last.items():
            self.connection.execute(statement, rows)
        if self._taken:
            taken = [{"counter": each, "last": self._counters[each]} for each in self._taken]
            self.connection.execute(_KEEP_COUNTERS, taken)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do `action` once the transaction is on disk; never if it fails."""
        self._after_commit.append(action)

    def run_after_commit(self) -> None:
        for action in self._after_commit:
            action()

    def tell_others(self, word: str) -> None:
        """Has other processes on this database hear a word, once the transaction is on disk."""
        self.words_for_others.append(word)


Write = Callable[[Transaction], T]


class Database:
    """A database of the service, open.

    Args:
        place: SQLite's file, or the URL of a database on a server.

    Attributes:
        before_commit: called in each transaction that asked for it by `needs_assignment`: the
            dispatcher's chance to start something in the very commit that made room for it.
        on_change: called with the latest change number, after a commit of this process or another,
            and whether it may have ended jobs.
        on_word: called with each word that another process has told.
        on_commit: called after a commit with how many writes it held, and the seconds it took.
        on_accounts: called after a commit by which a token may count no longer, or otherwise.
        is_full: whether its disk is, as far as the latest commits could tell.
    """

    def __init__(self, place: Path | str) -> None:
        self.backend = backend_of(place)
        self.before_commit: Callable[[Transaction], None] = lambda _: None
        self.on_change: Callable[[int, bool], None] = lambda _number, _ends: None
        self.on_word: Callable[[str], None] = lambda _: None
        self.on_commit: Callable[[int, float], None] = lambda _count, _seconds: None
        self.on_accounts: Callable[[], None] = lambda: None
        self._asked: deque[tuple[Write[Any], Future[Any]]] = deque()
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.is_full = False
        self._is_closing = False
        self._busy_since: float | None = None
        self._connection: Connection | None = None
        self._counters: Mapping[str, int] | None = None
        self._thread = threading.Thread(
            target=persist, args=("the writer", self._write_forever), name="writer", daemon=True
        )

    @property
    def engine(self) -> Engine:
        return self.backend.engine

    def start(self) -> None:
        self._thread.start()
        self.backend.listen(
            News(
                change=lambda number: self.on_change(number, True),
                word=lambda word: self.on_word(word),
            )
        )

    @property
    def is_alive(self) -> bool:
        """Whether there is still somebody who writes."""
        return self._thread.is_alive()

    @property
    def busy_seconds(self) -> float:
        """For how long it has been at one transaction, 0 between two."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        """Commit what has been asked for, then close every connection."""
        if self._thread.is_alive():
            self._is_closing = True
            self._news.put(None)
            self._thread.join()
        if self._connection is not None:
            self._connection.close()
        self.backend.close()

    def read(self) -> AbstractContextManager[Connection]:
        """A connection that sees what is committed, given back at the end of the block."""
        return self.backend.reader.connect()

    def write(self, action: Write[T]) -> Future[T]:
        """Have `action` done in a transaction; the future is done once it is on disk.

        An action may be run more than once before its result counts, so its only effects are on
        the transaction it is given. One that raises undoes its own work and no other's.
        """
        future: Future[T] = Future()
        self._asked.append((action, future))
        self._news.put(None)
        return future

    def translated(self, error: BaseException) -> BaseException:
        """What to tell whoever asked, of an error of the database."""
        if self.backend.is_full(error):
            full = StorageFullError(
                "the service's disk is full, so nothing was accepted",
                hint="free some space where the service keeps its data, then repeat this",
            )
            full.__cause__ = error
            return full
        if isinstance(error, _OutcomeUnknownError) or self.backend.is_away(error):
            away = UnavailableError(
                "the service's database is away",
                hint="repeat this in a moment",
                retry_after_seconds=ASK_AGAIN_SECONDS,
            )
            away.__cause__ = error
            return away
        return error

    def _write_forever(self) -> None:
        self._give_up_begun()
        while self._asked or not self._is_closing:
            if not self._asked:
                self._news.get()
                continue
            while not self._news.empty():
                self._news.get()
            # taken off once it has its answer: what throws this thread out of its work loses none
            batch = [self._asked[place] for place in range(min(len(self._asked), MAX_BATCH))]
            # who asked may have gone; from here on they cannot, so that an answer finds its future
            if wanted := [item for item in batch if item[1].set_running_or_notify_cancel()]:
                self._write_batch(wanted)
            for _ in batch:
                self._asked.popleft()

    def _give_up_begun(self) -> None:
        """Answers what this thread was at when it was thrown out: nobody knows what counts."""
        while self._asked and (self._asked[0][1].running() or self._asked[0][1].done()):
            _, future = self._asked.popleft()
            if not future.done():
                future.set_exception(self.translated(_OutcomeUnknownError()))

    def _write_batch(self, batch: list[tuple[Write[Any], Future[Any]]]) -> None:
        try:
            try:
                results = self._persistently([action for action, _ in batch])
            finally:
                self._busy_since = None
        except Exception as error:
            if self.backend.is_full(error):
                self._note_room(is_full=True)
            is_known = not isinstance(error, _OutcomeUnknownError)
            if len(batch) == 1 or self.backend.is_away(error) or not is_known:
                for _, future in batch:
                    future.set_exception(self.translated(error))
                return
            # one of them is to blame: each by itself, so that the others are not
            for item in batch:
                self._write_batch([item])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _note_room(self, *, is_full: bool) -> None:
        if is_full != self.is_full:
            words = "is full: nothing is accepted" if is_full else "has room again"
            logger.warning("the disk of the database %s", words)
        self.is_full = is_full

    def _persistently(self, actions: list[Write[Any]]) -> list[Any]:
        """Commits actions, again if that fails for something that passes."""
        deadline = None
        pause, longest = PAUSES_SECONDS
        while True:
            try:
                return self._commit(actions)
            except DBAPIError as error:
                deadline = deadline or time.monotonic() + RIDE_OUT_SECONDS
                if not self.backend.is_passing(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, longest)

    def _commit(self, actions: list[Write[Any]]) -> list[Any]:
        began = self._busy_since = time.monotonic()
        transaction, results = self._committed(actions)
        if self.is_full and self.backend.has_room():
            self._note_room(is_full=False)
        try:
            self.on_commit(len(actions), time.monotonic() - began)
            if transaction.changes_accounts:
                self.on_accounts()
            transaction.run_after_commit()
            if transaction.last_change:
                self.on_change(transaction.last_change, transaction.ends_jobs)
        except Exception:
            # the commit stands: failing now would make its actions run a second time
            logger.exception("what follows a commit failed")
        return results

    def _committed(self, actions: list[Write[Any]]) -> tuple[Transaction, list[Any]]:
        # kept from one transaction to the next, as is what it knows; not after a failure
        connection, self._connection = self._connection or self.engine.connect(), None
        counters, self._counters = self._counters, None
        is_sound = False
        try:
            begun = self.backend.begin_writing(connection, counters)
            transaction = Transaction(connection, begun.counters)
            results = [action(transaction) for action in actions]
            if transaction.needs_assignment:
                self.before_commit(transaction)
            transaction.finish()
            self.backend.tell_others(
                connection, transaction.last_change, transaction.words_for_others
            )
            try:
                connection.commit()
                is_sound = True
            except DBAPIError as error:
                # the answer to a commit may get lost, and what it did must not be done twice
                if not self.backend.is_away(error) or not self._was_committed(begun.name):
                    raise
        finally:
            if is_sound:
                self._connection, self._counters = connection, begun.counters
            else:
                connection.close()
        return transaction, results

    def _was_committed(self, name: str) -> bool:
        """Whether a commit counts that got no answer; asked until the database is back.

        Raises:
            _OutcomeUnknownError: it has not come back in time.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                found = self.backend.was_committed(name)
            except SQLAlchemyError as error:
                if not self.backend.is_away(error) or time.monotonic() > deadline:
                    raise _OutcomeUnknownError from error
            else:
                if found is not None:
                    return found
                if time.monotonic() > deadline:
                    raise _OutcomeUnknownError
            time.sleep(PAUSES_SECONDS[0])


class _OutcomeUnknownError(Exception):
    """Nobody can say whether a commit counts: its actions must not be run again here."""


def last_change(connection: Connection) -> int:
    """The latest number of the change feed."""
    statement = select(schema.counters.c.value).where(schema.counters.c.name == "change")
    return int(connection.execute(statement).scalar_one())
