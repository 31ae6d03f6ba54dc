"""Connections, and the one thread that writes.

All writes go through `Database.write`: a single thread takes what has gathered in its queue and
commits it as one transaction, so a hundred submissions cost one sync of the disk, and an answer is
given only after that sync.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError

from kotta.errors import StorageFullError
from kotta_service.store import schema

T = TypeVar("T")
logger = logging.getLogger(__name__)
MAX_BATCH = 500


class Transaction:
    """What a write is given: a connection, and a place to leave what must follow the commit."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.last_change = 0
        self.needs_assignment = False
        self._after_commit: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do `action` once the transaction is on disk; never if it fails."""
        self._after_commit.append(action)

    def run_after_commit(self) -> None:
        for action in self._after_commit:
            action()


Write = Callable[[Transaction], T]


class Database:
    """A database of the service, open.

    Attributes:
        before_commit: called in each transaction that asked for it by `needs_assignment`: the
            dispatcher's chance to start something in the very commit that made room for it.
        on_change: called after a commit with the latest change number.
    """

    def __init__(self, file: Path) -> None:
        self.engine = _sqlite_engine(file)
        self.before_commit: Callable[[Transaction], None] = lambda _: None
        self.on_change: Callable[[int], None] = lambda _: None
        self._queue: queue.SimpleQueue[tuple[Write[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_forever, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether there is still somebody who writes."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Commit what has been asked for, then close every connection."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self.engine.dispose()

    def read(self) -> AbstractContextManager[Connection]:
        """A connection that sees what is committed, given back at the end of the block."""
        return self.engine.connect()

    def write(self, action: Write[T]) -> Future[T]:
        """Have `action` done in a transaction; the future is done once it is on disk.

        An action may be run more than once before its result counts, so its only effects are on
        the transaction it is given. One that raises undoes its own work and no other's.
        """
        future: Future[T] = Future()
        self._queue.put((action, future))
        return future

    def _write_forever(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < MAX_BATCH and not self._queue.empty():
                item = self._queue.get()
                if item is None:
                    last = True
                    break
                batch.append(item)
            self._write_batch(batch)
            if last:
                return

    def _write_batch(self, batch: list[tuple[Write[Any], Future[Any]]]) -> None:
        try:
            results = self._commit([action for action, _ in batch])
        except BaseException as error:
            if len(batch) == 1:
                batch[0][1].set_exception(_translated(error))
                return
            # one of them is to blame: each by itself, so that the others are not
            for item in batch:
                self._write_batch([item])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _commit(self, actions: list[Write[Any]]) -> list[Any]:
        with self.engine.begin() as connection:
            transaction = Transaction(connection)
            results = [action(transaction) for action in actions]
            if transaction.needs_assignment:
                self.before_commit(transaction)
        try:
            transaction.run_after_commit()
            if transaction.last_change:
                self.on_change(transaction.last_change)
        except Exception:
            # the commit stands: failing now would make its actions run a second time
            logger.exception("what follows a commit failed")
        return results


def last_change(connection: Connection) -> int:
    """The latest number of the change feed."""
    statement = select(schema.counters.c.value).where(schema.counters.c.name == "change")
    return int(connection.execute(statement).scalar_one())


def _sqlite_engine(file: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        connect_args={"timeout": 30, "check_same_thread": False},
        pool_size=8,
        max_overflow=40,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # BEGIN is ours to send (below): the driver's own comes too late for IMMEDIATE
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "cache_size=-16000",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError) and "full" in str(error.orig):
        full = StorageFullError(
            "the service's disk is full, so nothing was accepted",
            hint="free some space where the service keeps its data, then repeat this",
        )
        full.__cause__ = error
        return full
    return error
