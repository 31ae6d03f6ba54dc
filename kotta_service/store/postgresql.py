"""PostgreSQL: a server that several processes of the service share.

They take turns: a transaction that writes locks the counters first, so that it finds what was
committed before it and nothing else, as with SQLite's one writer, and no number of the change feed
becomes visible before a smaller one. Others hear of it by NOTIFY.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import String

from kotta.errors import ConfigError
from kotta_service.store.backends import Begun, News
from kotta_service.store.glob import Glob
from kotta_service.store.leases import Leases
from kotta_service.store.notifications import CHANNEL, Listener
from kotta_service.store.postgresql_url import parameters, shown

OPEN_SECONDS = 5
"""A process that stops in the middle of a transaction keeps others waiting so long at most."""
CONNECT_SECONDS = 5
MIN_VERSION = 13
"""The first that tells whether a transaction was committed whose answer got lost."""
_CONNECTION_LOST = ("08", "57P01", "57P02", "57P03", "53300")
"""Source: PostgreSQL's manual, appendix A: connection exceptions, shut down, too many clients."""
_TRY_AGAIN = ("40001", "40P01")
_DISK_FULL = "53100"
_SCHEMA_LOCK = 0x6B6F747461
_PARAMETERS = {
    "application_name": "kotta",
    "connect_timeout": CONNECT_SECONDS,
    # a server whose plug was pulled is noticed within half a minute
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_BEGIN_WRITING = text(
    "SELECT name, value, CAST(pg_current_xact_id() AS text) AS transaction "
    "FROM counters ORDER BY name FOR UPDATE"
)
_TELL = text("SELECT pg_notify(:channel, word) FROM unnest(CAST(:words AS text[])) AS word")
_STATUS = text("SELECT pg_xact_status(CAST(:name AS xid8))")


class PostgreSql:
    """A database of a server.

    Args:
        url: `postgresql://user@host/name`, with the parameters that libpq knows.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        # one moment for all that an answer is made of
        self.reader: Engine = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._name = str(uuid.uuid4())
        self.leases: Leases | None = Leases(self._name)
        self._listener: Listener | None = None

    def begin_writing(self, connection: Connection, left: Mapping[str, int] | None) -> Begun:
        rows = connection.execute(_BEGIN_WRITING).all()
        return Begun(rows[0].transaction, {row.name: row.value for row in rows})

    def tell_others(self, connection: Connection, change: int, words: list[str]) -> None:
        told = [f"{self._name} change {change}"] if change else []
        told += [f"{self._name} word {word}" for word in dict.fromkeys(words)]
        if told:
            connection.execute(_TELL, {"channel": CHANNEL, "words": told})

    def was_committed(self, transaction: str) -> bool | None:
        with self.engine.connect() as connection:
            status = connection.execute(_STATUS, {"name": transaction}).scalar()
        # what was in progress when the server crashed is aborted; None: so old that it forgot
        return {"committed": True, "aborted": False}.get(str(status))

    def is_away(self, error: BaseException) -> bool:
        if not isinstance(error, DBAPIError):
            return False
        state = _state(error)
        # the driver's own errors, as of a connection that is cut or refused, have no state
        return error.connection_invalidated or not state or state.startswith(_CONNECTION_LOST)

    def is_passing(self, error: BaseException) -> bool:
        return self.is_away(error) or _state(error) in _TRY_AGAIN

    def is_full(self, error: BaseException) -> bool:
        return _state(error) == _DISK_FULL

    def has_room(self) -> bool:
        return True  # as far as can be told from here

    def damage(self, connection: Connection) -> list[str]:
        """It finds damaged pages by itself when it reads them (`data_checksums`)."""
        return []

    def lock_schema(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})

    def listen(self, news: News) -> None:
        self._listener = Listener(self.engine, self._name, news)
        self._listener.start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.stop()
        self.engine.dispose()


def problems(url: str) -> list[str]:
    """Why this database cannot be used, in sentences; empty if it can."""
    try:
        engine = _engine(url)
    except ConfigError as error:
        return [f"{error.message}: {error.hint}"]
    try:
        with engine.connect() as connection:
            return _unfit(connection)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        return [f"the database {shown(url)} cannot be reached: {reason}"]
    finally:
        engine.dispose()


def _unfit(connection: Connection) -> list[str]:
    def setting(name: str) -> str:
        return str(connection.execute(text("SELECT current_setting(:n)"), {"n": name}).scalar())

    found = []
    version = int(setting("server_version_num")) // 10_000
    if version < MIN_VERSION:
        found.append(f"the database is PostgreSQL {version}, and {MIN_VERSION} is the least")
    if setting("server_encoding") != "UTF8":
        found.append("the database's encoding is not UTF8: CREATE DATABASE … ENCODING 'UTF8'")
    if setting("synchronous_commit") == "off":
        found.append(
            "the database says that it has kept what it has not (synchronous_commit = off): "
            "ALTER DATABASE … SET synchronous_commit = on"
        )
    if setting("transaction_read_only") == "on":
        found.append("the database can only be read: it is a standby server, or set so")
    return found


def _engine(url: str) -> Engine:
    engine = create_engine(
        "postgresql+psycopg://",
        connect_args={**_PARAMETERS, **parameters(url)},
        pool_size=8,
        max_overflow=12,
    )
    engine.dialect.ddl_compiler = _TextByBytes

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = '{OPEN_SECONDS}s'")
        connection.commit()

    return engine


def _state(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


class _TextByBytes(PGDDLCompiler):
    """Has text compared by its bytes, as SQLite does, whatever the language of the database is.

    Starts of ids and names are found by their index in this order alone.
    """

    def get_column_specification(self, column: Any, **options: Any) -> str:
        words: str = super().get_column_specification(column, **options)  # type: ignore[no-untyped-call]
        if not isinstance(column.type, String) or column.type.collation:
            return words
        kind = self.dialect.type_compiler_instance.process(column.type)
        return words.replace(kind, f'{kind} COLLATE "C"', 1)


@compiles(Glob, "postgresql")
def _glob(element: Glob, compiler: Any, **options: Any) -> str:
    pattern = element.pattern
    for sign in "\\%_":
        pattern = pattern.replace(sign, f"\\{sign}")
    pattern = pattern.replace("*", "%").replace("?", "_")
    words: str = compiler.process(element.text.like(pattern, escape="\\"), **options)
    return words
