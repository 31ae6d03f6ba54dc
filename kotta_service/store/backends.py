"""What a kind of database has to do for `Database`; one module beside this for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from kotta_service.store.leases import Leases


@dataclass(frozen=True)
class News:
    """What is to be told of what other processes did to the same database.

    Attributes:
        change: called with the latest number of the change feed.
        word: called with each word that a transaction left for others.
    """

    change: Callable[[int], None]
    word: Callable[[str], None]


@dataclass(frozen=True)
class Begun:
    """A transaction that writes.

    Attributes:
        name: by which the database can be asked what became of it.
        counters: their values, which nobody else changes meanwhile.
    """

    name: str
    counters: dict[str, int]


class Backend(Protocol):
    """A kind of database.

    Attributes:
        engine: for what writes.
        reader: the same for what reads: a connection of it sees one moment.
        leases: what one of several processes may hold; None: there is one process alone.
    """

    engine: Engine
    reader: Engine
    leases: Leases | None

    def begin_writing(self, connection: Connection, left: Mapping[str, int] | None) -> Begun:
        """Waits until nobody else writes, up to the end of this transaction.

        Args:
            left: the counters as this process left them when it wrote last, if it did.
        """

    def tell_others(self, connection: Connection, change: int, words: list[str]) -> None:
        """Has other processes hear of this transaction once it is committed; 0: of no change."""

    def was_committed(self, transaction: str) -> bool | None:
        """Whether a transaction was committed whose commit got no answer; None: it may still be."""

    def is_away(self, error: BaseException) -> bool:
        """Whether this failed because the database could not be reached."""

    def is_passing(self, error: BaseException) -> bool:
        """Whether the same transaction may succeed now."""

    def is_full(self, error: BaseException) -> bool:
        """Whether this failed for want of room on the database's disk."""

    def has_room(self) -> bool:
        """Whether there is room after it was full, now that something could be written."""

    def damage(self, connection: Connection) -> list[str]:
        """What the database itself finds wrong with what it keeps, in words."""

    def lock_schema(self, connection: Connection) -> None:
        """Waits until nobody else makes or changes tables, up to the end of this transaction."""

    def listen(self, news: News) -> None:
        """Begins to hear of what other processes do."""

    def close(self) -> None:
        """Ends every connection."""


def backend_of(place: Path | str) -> Backend:
    """The backend for a file of SQLite's, or for a URL.

    Raises:
        ConfigError: what a kind of database needs is not installed.
    """
    if isinstance(place, Path):
        from kotta_service.store.sqlite import Sqlite

        return Sqlite(place)
    from kotta_service.store.postgresql import PostgreSql

    return PostgreSql(place)


def problems(url: str) -> list[str]:
    """Why the database of this URL cannot be used, in sentences; "": SQLite, which always can."""
    if not url:
        return []
    from kotta_service.store import postgresql

    return postgresql.problems(url)
