"""What the two kinds of database do alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from sqlalchemy import Engine, inspect, text

from kotta.errors import ConfigError
from kotta_service.store import finding, migration, schema
from kotta_service.store.backends import Backend, backend_of
from kotta_service.store.visibility import own

NewBackend = Callable[[], Backend]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewBackend]:
    """Opens an empty database of each kind."""
    opened: list[Backend] = []
    numbers = itertools.count(1)

    def new() -> Backend:
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            opened.append(backend_of(server.new_database()))
        else:
            opened.append(backend_of(tmp_path / f"{next(numbers)}.db"))
        return opened[-1]

    yield new
    for backend in opened:
        backend.close()


def seen(engine: Engine, look: str, table: str) -> object:
    found = getattr(inspect(engine), look)(table)
    # a set in truth: constraints without names are told in no particular order
    return sorted(map(_words, found)) if isinstance(found, list) else found


def _words(found: object) -> str:
    kind = found.get("type") if isinstance(found, dict) else None
    return f"{found} {getattr(kind, 'collation', None)}"


def test_a_fresh_database_equals_a_migrated_one(new_backend: NewBackend) -> None:
    fresh, migrated = new_backend(), new_backend()
    migration.prepare(fresh)
    migration.upgrade(migrated)
    for table in [*schema.metadata.tables, "alembic_version"]:
        for look in ("get_columns", "get_pk_constraint", "get_indexes", "get_foreign_keys"):
            one, other = (seen(backend.engine, look, table) for backend in (fresh, migrated))
            assert one == other, (table, look)
    for query in ("SELECT * FROM alembic_version", "SELECT * FROM counters ORDER BY name"):
        results = []
        for backend in (fresh, migrated):
            with backend.engine.connect() as connection:
                results.append(connection.execute(text(query)).all())
        assert results[0] == results[1]


def test_a_database_of_a_newer_release_is_refused(new_backend: NewBackend) -> None:
    backend = new_backend()
    migration.prepare(backend)
    with backend.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer release"):
        migration.prepare(backend)


NAMES = ["fit", "Fit", "fit-1", "fit_1", "fit%1", "fit[1]", "fit\\1", "fïtø", "a\nfit", "🙂"]


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("fit*", ["fit", "fit-1", "fit_1", "fit%1", "fit[1]", "fit\\1"]),
        ("fit?1", ["fit-1", "fit_1", "fit%1", "fit\\1"]),
        ("*_*", ["fit_1"]),
        ("*%*", ["fit%1"]),
        ("*[1]", ["fit[1]"]),
        ("*\\*", ["fit\\1"]),
        ("F*", ["Fit"]),
        ("f?t?", ["fïtø"]),
        ("*fit", ["fit", "a\nfit"]),
        ("?", ["🙂"]),
        ("fit", ["fit"]),
    ],
)
def test_names_fit_a_pattern_as_a_whole_with_every_sign_but_two_meaning_itself(
    new_backend: NewBackend, glob: str, found: list[str]
) -> None:
    backend = new_backend()
    migration.prepare(backend)
    with backend.engine.begin() as connection:
        connection.execute(
            schema.jobs.insert(), [_job(number, name) for number, name in enumerate(NAMES)]
        )
        rows = finding.page(connection, own("ada"), name=glob)
        assert [row.name for row in reversed(rows)] == found


def _job(number: int, name: str) -> dict[str, object]:
    row: dict[str, object] = {}
    for column in schema.jobs.columns:
        if not column.nullable:
            row[column.name] = {"Integer": 1, "BigInteger": number, "Float": 1.0}.get(
                type(column.type).__name__, False if column.name == "is_needed" else ""
            )
    return {**row, "number": number, "id": f"id-{number}", "owner": "ada", "name": name}
