"""Passwords: kept as argon2id, renewed with its costs, and checked a few at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest

from kotta.errors import RequestError, UnavailableError
from kotta_service.accounts import passwords, users
from kotta_service.accounts.passwords import Passwords, Throttled, check
from kotta_service.store import accounts as store
from kotta_service.store.database import Database
from kotta_service.store.migration import prepare

PASSWORD = "correct horse bättery"
_HASHER = argon2.PasswordHasher()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "kotta.db")
    prepare(database.backend)
    database.start()
    database.write(lambda tx: users.add(tx, "ada", "ada@example.org")).result()
    yield database
    database.close()


def give(database: Database, digest: str) -> None:
    database.write(lambda tx: store.change_user(tx, "ada", password=digest)).result()


def kept(database: Database) -> str:
    with database.read() as connection:
        return str(users.known(connection, "ada").password)


def test_a_password_is_kept_as_argon2id(database: Database) -> None:
    invitation = database.write(lambda tx: users.invite(tx, "ada")).result()
    assert asyncio.run(Passwords(database).choose(invitation, PASSWORD)) == "ada"
    assert kept(database).startswith("$argon2id$")
    # as another keyboard makes the same letters
    typed = PASSWORD.replace("ä", "a\u0308")
    assert asyncio.run(Passwords(database).user_with("ada", typed, "192.0.2.1")) == "ada"


def test_a_login_brings_an_old_digest_up_to_date(database: Database) -> None:
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    give(database, cheap)
    desk = Passwords(database)
    assert asyncio.run(desk.user_with("ada", "something else", "192.0.2.1")) is None
    assert kept(database) == cheap
    assert asyncio.run(desk.user_with("ada", PASSWORD, "192.0.2.1")) == "ada"
    assert kept(database) != cheap
    assert not _HASHER.check_needs_rehash(kept(database))
    assert asyncio.run(desk.user_with("ada", PASSWORD, "192.0.2.1")) == "ada"


@pytest.mark.parametrize("digest", ["", "x", "$argon2id$v=19$m=65536"])
def test_what_is_no_digest_fits_no_password(database: Database, digest: str) -> None:
    give(database, digest)
    assert asyncio.run(Passwords(database).user_with("ada", "", "192.0.2.1")) is None


def test_a_user_that_there_is_not_takes_as_long(database: Database) -> None:
    give(database, _HASHER.hash(PASSWORD))
    desk = Passwords(database)

    def seconds(name: str) -> float:
        began = time.perf_counter()
        assert asyncio.run(desk.user_with(name, "something else", "192.0.2.1")) is None
        return time.perf_counter() - began

    seconds("nobody")  # the first makes what nobody's password is compared with
    assert min(seconds("nobody") for _ in range(3)) > min(seconds("ada") for _ in range(3)) / 2


def test_many_guesses_at_once_are_no_more_than_one_after_another(database: Database) -> None:
    give(database, _HASHER.hash(PASSWORD))

    async def guess() -> list[str | Throttled | None]:
        desk = Passwords(database)
        guesses = (desk.user_with("ada", f"guess {n}", f"192.0.2.{n}") for n in range(12))
        return await asyncio.gather(*guesses)

    found = asyncio.run(guess())
    assert found.count(None) == 5
    assert all(each is None or isinstance(each, Throttled) for each in found)


def test_who_comes_when_too_many_wait_is_sent_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_QUEUED", 3)

    async def come() -> list[object]:
        desk = Passwords(database)
        guesses = (desk.user_with(f"user{n}", "guess", "192.0.2.1") for n in range(8))
        return await asyncio.gather(*guesses, return_exceptions=True)

    found = asyncio.run(come())
    assert sum(isinstance(each, UnavailableError) for each in found) == 5


def test_length_is_what_counts(database: Database) -> None:
    for password in ("zwölf Zeichen", "aB3$" * 3 + "x", "1029384756 5647382910", "x y z a b c d e"):
        check(password, "ada", "ada@example.org")
    for password in ("elf Zeichen", "x" * 20, "ada-ada-ada-ada", "password1234!", "a" * 5000):
        with pytest.raises(RequestError):
            check(password, "ada", "ada@example.org")
