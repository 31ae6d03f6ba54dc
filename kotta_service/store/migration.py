"""Brings a database to the tables this release knows, or refuses one from a newer release."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError

from kotta.errors import ConfigError
from kotta_service.store import schema
from kotta_service.store.backends import Backend

_BY_NEWER = "was written by a newer release"
_UPGRADE = "install the newest Kotta: pip install --upgrade kotta-cli"


def prepare(backend: Backend) -> None:
    """Creates the tables in an empty database, upgrades an older one.

    A fresh database is made from `schema` and stamped, which a test holds equal to what the
    revisions make; Alembic (slow to import) is only there for one that has to change.

    Raises:
        ConfigError: a newer release wrote this database, or it is none.
    """
    try:
        with backend.engine.begin() as connection:
            # of several processes that start at once, one does it
            backend.lock_schema(connection)
            revision = _revision(connection)
            if revision == schema.SCHEMA_VERSION:
                return
            if revision is None:
                schema.metadata.create_all(connection)
                _stamp(connection)
                return
        if _is_newer(revision):
            raise ConfigError(f"the database {_BY_NEWER} ({revision})", hint=_UPGRADE)
        upgrade(backend)
    except DBAPIError as error:
        raise ConfigError(f"the database cannot be used: {error.orig}") from error


def problem(backend: Backend) -> str:
    """Why this release cannot use a database that is there, in words; "" if it can."""
    try:
        with backend.reader.connect() as connection:
            revision = _revision(connection)
    except DBAPIError as error:
        return f"cannot be used: {error.orig}"
    return f"{_BY_NEWER} ({revision}): {_UPGRADE}" if _is_newer(revision) else ""


def upgrade(backend: Backend) -> None:
    """Runs the revisions that a database lacks, in one transaction."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with backend.engine.begin() as connection:
        backend.lock_schema(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(f"the database {_BY_NEWER} ({error})", hint=_UPGRADE) from error


def _is_newer(revision: str | None) -> bool:
    return revision is not None and revision > schema.SCHEMA_VERSION


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _stamp(connection: Connection) -> None:
    # as Alembic makes it
    version = Table(
        "alembic_version",
        MetaData(),
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    version.create(connection)
    connection.execute(version.insert(), {"version_num": schema.SCHEMA_VERSION})
    connection.execute(
        schema.counters.insert(), [{"name": "job", "value": 0}, {"name": "change", "value": 0}]
    )
