"""SQLite: a file that one process writes, so there is nobody to wait for and nobody to tell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles

from kotta_service.store.backends import Begun, News
from kotta_service.store.glob import Glob
from kotta_service.store.leases import Leases
from kotta_service.store.schema import counters

_WRITES = "kotta_writes"
# of each connection: the system keeps the file in memory for all of them
_CACHE_KIB = 512
_ROOM_BYTES = 1 << 20
_COUNTERS = select(counters.c.name, counters.c.value)


class Sqlite:
    """A database in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.reader = _engine(file)
        self.engine: Engine = self.reader.execution_options(**{_WRITES: True})
        self.leases: Leases | None = None

    def begin_writing(self, connection: Connection, left: Mapping[str, int] | None) -> Begun:
        if left is not None:
            return Begun("", dict(left))
        return Begun("", {row.name: row.value for row in connection.execute(_COUNTERS)})

    def tell_others(self, connection: Connection, change: int, words: list[str]) -> None:
        """There are none."""

    def was_committed(self, transaction: str) -> bool:
        return False

    def is_away(self, error: BaseException) -> bool:
        return False

    def is_passing(self, error: BaseException) -> bool:
        return False

    def is_full(self, error: BaseException) -> bool:
        return isinstance(error, DBAPIError) and "full" in str(error.orig)

    def has_room(self) -> bool:
        # a little can always be written: over what failed, in the log that is there already
        left = os.statvfs(self._file.parent)
        return left.f_bavail * left.f_frsize >= _ROOM_BYTES

    def damage(self, connection: Connection) -> list[str]:
        found = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        words = [f"a row of {row[0]} refers to one of {row[2]} that is not there" for row in lost]
        return [each for each in found if each != "ok"] + words

    def lock_schema(self, connection: Connection) -> None:
        """The lock on the data directory is enough."""

    def listen(self, news: News) -> None:
        """Nobody else writes."""

    def close(self) -> None:
        self.engine.dispose()


@compiles(Glob, "sqlite")
def _glob(element: Glob, compiler: Any, **options: Any) -> str:
    # GLOB tells capitals apart, as the equal sign does, and finds by the index; LIKE does neither
    pattern = element.pattern.replace("[", "[[]")
    text: str = compiler.process(element.text.bool_op("GLOB")(pattern), **options)
    return text


def _engine(file: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        connect_args={"timeout": 30, "check_same_thread": False},
        pool_size=8,
        max_overflow=40,
        # in turn, each would fill a cache of its own
        pool_use_lifo=True,
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
            f"cache_size=-{_CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # who reads first and writes then is turned away if another process wrote in between
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
