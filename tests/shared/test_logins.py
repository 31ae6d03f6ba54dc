"""Tokens: how long they count, how they are renewed, and what ends them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kotta.errors import LoginRequiredError
from kotta_service.accounts import keys, logins, users
from kotta_service.accounts.keys import TokenKeys
from kotta_service.accounts.logins import Logins, Tokens
from kotta_service.store import accounts as store
from kotta_service.store.database import Database, Transaction
from kotta_service.store.migration import prepare


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        for module in (logins, users, keys):
            monkeypatch.setattr(module.time, "time", lambda: self.now)


class Desk:
    """The rules over a database of their own."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "kotta.db")
        prepare(self.database.backend)
        self.database.start()
        self.logins = Logins(TokenKeys(folder / "keys.json", "https://kotta.lab"))
        self.write(lambda tx: users.add(tx, "ada", "ada@example.org"))

    def write(self, action):  # type: ignore[no-untyped-def]
        return self.database.write(action).result()

    def begin(self) -> Tokens:
        return self.write(
            lambda tx: self.logins.begin(tx, "ada", label="laptop", scopes=("read", "write"))
        )

    def refresh(self, token: str) -> Tokens | None:
        return self.write(lambda tx: self.logins.refresh(tx, token))

    def who(self, token: str) -> str:
        with self.database.read() as connection:
            return self.logins.authenticate(connection, token)[0].name


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def refused(desk: Desk, token: str) -> bool:
    try:
        desk.who(token)
    except LoginRequiredError:
        return True
    return False


def test_an_access_token_counts_for_an_hour(clock: Clock, desk: Desk) -> None:
    tokens = desk.begin()
    assert desk.who(tokens.access_token) == "ada"
    clock.now += keys.ACCESS_SECONDS - 1
    assert desk.who(tokens.access_token) == "ada"
    clock.now += 10
    assert refused(desk, tokens.access_token)


def test_a_refresh_token_gives_the_next_tokens(clock: Clock, desk: Desk) -> None:
    tokens = desk.begin()
    for _ in range(3):
        clock.now += keys.ACCESS_SECONDS
        tokens = desk.refresh(tokens.refresh_token)
        assert tokens is not None
        assert desk.who(tokens.access_token) == "ada"


def test_a_refresh_token_that_is_used_again_ends_its_login(clock: Clock, desk: Desk) -> None:
    first = desk.begin()
    second = desk.refresh(first.refresh_token)
    assert second is not None
    clock.now += logins.LOST_ANSWER_SECONDS + 1
    assert desk.refresh(first.refresh_token) is None
    assert desk.refresh(second.refresh_token) is None
    assert refused(desk, second.access_token)


def test_an_answer_that_was_lost_may_be_asked_for_again(clock: Clock, desk: Desk) -> None:
    first = desk.begin()
    lost = desk.refresh(first.refresh_token)
    clock.now += 5
    second = desk.refresh(first.refresh_token)
    assert lost is not None
    assert second is not None
    third = desk.refresh(second.refresh_token)
    assert third is not None
    # the one that was lost counts no more: whoever has it is somebody else
    assert desk.refresh(lost.refresh_token) is None
    assert refused(desk, third.access_token)


def test_once_the_next_was_used_the_last_is_used_again_by_a_thief(clock: Clock, desk: Desk) -> None:
    first = desk.begin()
    second = desk.refresh(first.refresh_token)
    assert second is not None
    third = desk.refresh(second.refresh_token)
    assert third is not None
    assert desk.refresh(first.refresh_token) is None
    assert desk.refresh(third.refresh_token) is None


def test_a_refresh_token_expires(clock: Clock, desk: Desk) -> None:
    tokens = desk.begin()
    clock.now += logins.REFRESH_SECONDS + 1
    assert desk.refresh(tokens.refresh_token) is None


def test_a_token_for_scripts_counts_until_it_expires_or_is_revoked(
    clock: Clock, desk: Desk
) -> None:
    def make(tx: Transaction) -> tuple[str, str]:
        return desk.logins.make_token(
            tx, "ada", label="ci", scopes=("read",), expires_at=clock.now + 60
        )

    _, secret = desk.write(make)
    assert desk.who(secret) == "ada"
    clock.now += 61
    assert refused(desk, secret)
    identifier, secret = desk.write(make)
    desk.write(lambda tx: desk.logins.end(tx, [identifier]))
    assert refused(desk, secret)


def test_who_is_disabled_is_logged_out(desk: Desk) -> None:
    tokens = desk.begin()
    desk.write(lambda tx: users.change(tx, "ada", is_disabled=True))
    desk.write(lambda tx: users.change(tx, "ada", is_disabled=False))
    assert refused(desk, tokens.access_token)
    assert desk.refresh(tokens.refresh_token) is None


def test_an_invitation_counts_once_for_a_week(clock: Clock, desk: Desk) -> None:
    first = desk.write(lambda tx: users.invite(tx, "ada"))
    second = desk.write(lambda tx: users.invite(tx, "ada"))
    with desk.database.read() as connection:
        assert users.invited(connection, first) is None
        assert users.invited(connection, second) == "ada"
        clock.now += users.INVITATION_SECONDS + 1
        assert users.invited(connection, second) is None


def test_no_secret_is_kept(desk: Desk, tmp_path: Path) -> None:
    tokens = desk.begin()
    _, secret = desk.write(
        lambda tx: desk.logins.make_token(tx, "ada", label="", scopes=(), expires_at=None)
    )
    invitation = desk.write(lambda tx: users.invite(tx, "ada"))
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("kotta.db*"))
    for each in (*vars(tokens).values(), secret, invitation):
        assert str(each).encode() not in kept or each == keys.ACCESS_SECONDS
    with desk.database.read() as connection:
        assert len(store.logins_of(connection, "ada")) == 2


def test_a_token_of_another_service_is_none(desk: Desk, tmp_path: Path) -> None:
    other = TokenKeys(tmp_path / "other.json", "https://kotta.lab")
    assert refused(desk, other.sign("ada", "x"))
    elsewhere = TokenKeys(tmp_path / "keys.json", "https://elsewhere.lab")
    login = desk.begin()
    assert elsewhere.login_in(login.access_token) is None


def logins_kept(desk: Desk) -> int:
    with desk.database.read() as connection:
        found: int = connection.exec_driver_sql("SELECT count(*) FROM logins").scalar_one()
    return found


def forget(desk: Desk) -> None:
    while desk.write(lambda tx: desk.logins.forget_ended(tx, most=2)):
        pass


def make_token(desk: Desk, expires_at: float | None = None) -> str:
    identifier, _ = desk.write(
        lambda tx: desk.logins.make_token(
            tx, "ada", label="ci", scopes=["read"], expires_at=expires_at
        )
    )
    return str(identifier)


def test_what_ended_is_forgotten_a_day_later_and_nothing_else(clock: Clock, desk: Desk) -> None:
    lasting = make_token(desk)
    tokens = desk.begin()
    for _ in range(5):
        make_token(desk, expires_at=clock.now + 60)
        ended = make_token(desk)
        desk.write(lambda tx, ended=ended: desk.logins.end(tx, [ended]))
    clock.now += logins.ENDED_SECONDS - 10
    forget(desk)
    assert logins_kept(desk) == 12
    clock.now += 100
    forget(desk)
    assert logins_kept(desk) == 2
    with desk.database.read() as connection:
        assert {row.kind for row in desk.logins.listed(connection, "ada")} == {"token", "login"}
        assert store.login(connection, lasting) is not None
    assert desk.refresh(tokens.refresh_token) is not None


def test_a_login_that_nobody_renewed_is_forgotten_with_what_could(clock: Clock, desk: Desk) -> None:
    desk.begin()
    clock.now += logins.REFRESH_SECONDS + 10
    forget(desk)
    assert logins_kept(desk) == 1
    clock.now += logins.ENDED_SECONDS
    forget(desk)
    assert logins_kept(desk) == 0


def test_a_stolen_token_is_noticed_for_as_long_as_it_would_have_counted(
    clock: Clock, desk: Desk
) -> None:
    stolen = desk.begin().refresh_token
    latest = desk.refresh(stolen)
    assert latest is not None
    clock.now += logins.REFRESH_SECONDS - 10
    renewed = desk.refresh(latest.refresh_token)
    assert renewed is not None
    forget(desk)
    assert desk.refresh(stolen) is None
    assert refused(desk, renewed.access_token)
