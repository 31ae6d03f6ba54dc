"""Logins from a terminal: each answer of RFC 8628 and RFC 6749, over HTTP and by the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from shared_service import SharedService

from kotta_service.accounts import devices, throttle, users
from kotta_service.accounts.keys import TokenKeys
from kotta_service.accounts.logins import Logins
from kotta_service.accounts.throttle import Guesses
from kotta_service.store.database import Database
from kotta_service.store.migration import prepare

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        monkeypatch.setattr("time.time", lambda: self.now)


class Desk:
    """The rules over a database of their own."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "kotta.db")
        prepare(self.database.backend)
        self.database.start()
        self.logins = Logins(TokenKeys(folder / "keys.json", "https://kotta.lab"))
        for name, role in (("ada", "user"), ("eve", "admin")):
            self.write(users.add, name, f"{name}@example.org", role=role)

    def write(self, action: Any, *args: Any, **options: Any) -> Any:
        return self.database.write(lambda tx: action(tx, *args, **options)).result()

    def begin(self, *scopes: str, client: str = "192.0.2.7") -> devices.Begun:
        begun: devices.Begun = self.write(
            devices.begin, label="laptop", client=client, scopes=scopes or ("read", "write")
        )
        return begun

    def poll(self, begun: devices.Begun) -> Any:
        return self.write(devices.poll, begun.device_code, self.logins)

    def error(self, begun: devices.Begun) -> str:
        found = self.poll(begun)
        assert isinstance(found, devices.Refused), found
        return found.error

    def decide(self, begun: devices.Begun, user: str, *, is_approved: bool = True) -> None:
        self.write(devices.decide, begun.user_code, user, is_approved=is_approved)

    def attempt(self, *kinds: Guesses) -> int:
        wait: int = self.write(throttle.attempt, *kinds)
        return wait


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def desk(clock: Clock, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_a_device_gets_tokens_once_it_was_approved(clock: Clock, desk: Desk) -> None:
    begun = desk.begin()
    assert re.fullmatch("[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", begun.user_code)
    assert desk.error(begun) == "authorization_pending"
    desk.decide(begun, "ada")
    granted = desk.poll(begun)
    assert (granted.user, granted.scopes) == ("ada", ["read", "write"])
    assert desk.error(begun) == "invalid_grant", "tokens are given once"


def test_who_asks_too_often_is_slowed_down_for_good(clock: Clock, desk: Desk) -> None:
    begun = desk.begin()
    assert desk.error(begun) == "authorization_pending"
    clock.now += 4
    assert desk.error(begun) == "slow_down"
    clock.now += 6
    assert desk.error(begun) == "slow_down", "the interval is ten seconds now"
    clock.now += 15
    assert desk.error(begun) == "authorization_pending"
    desk.decide(begun, "ada")
    assert desk.poll(begun).user == "ada", "who is approved is not made to wait"


def test_a_denied_login_stays_denied(desk: Desk) -> None:
    begun = desk.begin()
    desk.decide(begun, "ada", is_approved=False)
    assert desk.error(begun) == desk.error(begun) == "access_denied"


def test_a_login_expires_approved_or_not(clock: Clock, desk: Desk) -> None:
    left, approved = desk.begin(), desk.begin()
    desk.decide(approved, "ada")
    clock.now += devices.EXPIRES_SECONDS
    assert desk.error(left) == desk.error(approved) == "expired_token"
    clock.now += devices.KEPT_SECONDS + 1
    desk.begin()
    assert desk.error(left) == "invalid_grant"


def test_codes_are_compared_as_people_type_them(desk: Desk) -> None:
    begun = desk.begin()
    letters = begun.user_code.replace("-", "")
    with desk.database.read() as connection:
        for typed in (letters, letters.lower(), f" {letters[:4]} {letters[4:]} ", begun.user_code):
            found = devices.waiting(connection, typed)
            assert found is not None and found.client == "192.0.2.7", typed
        for typed in ("", letters[:7], letters + "B", "BBBB-BBBB", "é" * 8):
            assert devices.waiting(connection, typed) is None, typed


def test_a_code_counts_for_one_decision(desk: Desk) -> None:
    begun = desk.begin()
    desk.decide(begun, "ada")
    with pytest.raises(Exception, match="does not wait"):
        desk.decide(begun, "eve", is_approved=False)
    with desk.database.read() as connection:
        assert devices.waiting(connection, begun.user_code) is None


def test_administering_is_for_administrators_who_asked(desk: Desk) -> None:
    def scopes(user: str, *asked: str) -> Any:
        begun = desk.begin(*asked)
        desk.decide(begun, user)
        return desk.poll(begun).scopes

    assert scopes("ada", "read", "admin") == ["read"]
    assert scopes("eve", "read", "admin") == ["read", "admin"]
    assert scopes("eve", "read") == ["read"]


def test_who_was_disabled_meanwhile_gets_nothing(desk: Desk) -> None:
    begun = desk.begin()
    desk.decide(begun, "ada")
    desk.write(users.change, "ada", is_disabled=True)
    assert desk.error(begun) == "access_denied"


def test_one_address_cannot_fill_the_table(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    monkeypatch.setattr(devices, "MAX_WAITING", 3)
    for _ in range(3):
        desk.begin()
    with pytest.raises(Exception, match="too many logins"):
        desk.begin()
    desk.begin(client="192.0.2.8")


ADA, BOB = (Guesses.of_name("password", name) for name in ("ada", "bob"))
NETWORK = Guesses.from_address("password", "192.0.2.7")


def test_guesses_are_free_at_first_then_wait_longer_and_longer(clock: Clock, desk: Desk) -> None:
    assert [desk.attempt(ADA) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    waits = []
    for _ in range(10):
        wait = desk.attempt(ADA, NETWORK)
        waits.append(wait)
        clock.now += wait
        assert desk.attempt(ADA) == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert 0 < desk.attempt(ADA) <= throttle.LONGEST_WAIT_SECONDS
    clock.now += throttle.FORGET_SECONDS + 1
    assert [desk.attempt(ADA) for _ in range(5)] == [0] * 5


def test_wrong_guesses_are_forgiven_one_by_one(clock: Clock, desk: Desk) -> None:
    """However patient somebody is, they guess no more than a hundred passwords a day."""
    guesses = 0
    for _ in range(24 * 60):
        guesses += desk.attempt(ADA) == 0
        clock.now += 60
    assert 5 < guesses < 110


def test_a_clock_that_was_ahead_has_nobody_wait_for_longer(clock: Clock, desk: Desk) -> None:
    clock.now += 24 * 3600
    assert desk.attempt(ADA, NETWORK) == 0
    for _ in range(8):
        desk.attempt(BOB)
        clock.now += 10
    clock.now -= 24 * 3600
    assert [desk.attempt(ADA, NETWORK) for _ in range(4)] == [0] * 4
    # who had to wait waits, and not anew each time that they ask
    wait = desk.attempt(BOB)
    assert 1 <= wait <= 8
    clock.now += wait
    assert desk.attempt(BOB) == 0


def test_a_room_full_of_people_may_mistype(clock: Clock, desk: Desk) -> None:
    for number in range(30):
        assert desk.attempt(Guesses.of_name("password", f"user{number}"), NETWORK) == 0
    assert desk.attempt(NETWORK) == 1
    clock.now += 600
    assert [desk.attempt(NETWORK) for _ in range(10)] == [0] * 10


def test_a_right_guess_gives_back_its_own_attempt_alone(desk: Desk) -> None:
    for _ in range(4):
        desk.attempt(ADA)
    for _ in range(10):
        assert desk.attempt(ADA) == 0
        desk.write(throttle.take_back, ADA)
    assert desk.attempt(ADA) == 0
    assert desk.attempt(ADA) > 0


def test_addresses_of_one_network_guess_together() -> None:
    def key(client: str) -> str:
        return Guesses.from_address("code", client).key

    assert key("2001:db8::1") == key("2001:db8::ffff:2") != key("2001:db8:0:1::1")
    assert key("::ffff:192.0.2.1") == key("192.0.2.1") != key("192.0.2.2")
    assert len(key("x" * 1000)) < 100


def post(shared: SharedService, endpoint: str, **form: str) -> httpx.Response:
    answer = shared.client().post(f"/login/{endpoint}", data=form)
    if answer.status_code in (200, 400):
        assert answer.headers["cache-control"] == "no-store"
    return answer


def test_the_service_says_where_its_endpoints_are(shared: SharedService) -> None:
    found = shared.client().get(f"{shared.url}/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == shared.url
    assert found["device_authorization_endpoint"] == f"{shared.url}/api/v2/login/device"
    assert found["token_endpoint"] == f"{shared.url}/api/v2/login/token"
    assert DEVICE_GRANT in found["grant_types_supported"]


def test_a_login_begins_with_a_code_and_a_page(shared: SharedService) -> None:
    begun = post(shared, "device", client_id="kotta", scope="read", label="ada@laptop").json()
    assert begun["verification_uri"] == f"{shared.url}/login"
    assert begun["verification_uri_complete"].endswith(f"/login?code={begun['user_code']}")
    assert (begun["expires_in"], begun["interval"]) == (900, 5)
    poll = {"grant_type": DEVICE_GRANT, "client_id": "kotta", "device_code": begun["device_code"]}
    assert post(shared, "token", **poll).json()["error"] == "authorization_pending"
    assert post(shared, "token", **poll).json()["error"] == "slow_down"


@pytest.mark.parametrize(
    ("endpoint", "form", "error"),
    [
        ("device", {}, "invalid_request"),
        ("device", {"client_id": "other"}, "invalid_client"),
        ("device", {"client_id": "kotta", "scope": "read everything"}, "invalid_scope"),
        ("token", {"grant_type": DEVICE_GRANT}, "invalid_request"),
        ("token", {"client_id": "other", "grant_type": DEVICE_GRANT}, "invalid_client"),
        ("token", {"client_id": "kotta"}, "invalid_request"),
        ("token", {"client_id": "kotta", "grant_type": "password"}, "unsupported_grant_type"),
        ("token", {"client_id": "kotta", "grant_type": DEVICE_GRANT}, "invalid_request"),
        (
            "token",
            {"client_id": "kotta", "grant_type": DEVICE_GRANT, "device_code": "x"},
            "invalid_grant",
        ),
        ("token", {"client_id": "kotta", "grant_type": "refresh_token"}, "invalid_request"),
        (
            "token",
            {"client_id": "kotta", "grant_type": "refresh_token", "refresh_token": "é"},
            "invalid_grant",
        ),
        ("revoke", {}, "invalid_request"),
        ("revoke", {"client_id": "other", "token": "x"}, "invalid_client"),
    ],
)
def test_a_wrong_request_is_refused_by_name(
    shared: SharedService, endpoint: str, form: dict[str, str], error: str
) -> None:
    answer = post(shared, endpoint, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"client_id=kotta&client_id=kotta", "application/x-www-form-urlencoded", 400),
        (b'{"client_id": "kotta"}', "application/json", 400),
        (b"client_id=kotta&label=%ff", "application/x-www-form-urlencoded", 400),
        (b"client_id=kotta&label=%00", "application/x-www-form-urlencoded", 400),
        (b"client_id=kotta&label=\xff", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 100, "application/x-www-form-urlencoded", 400),
        (b"client_id=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_no_form_is_refused(
    shared: SharedService, content: bytes, kind: str, status: int
) -> None:
    client = shared.client()
    for endpoint in ("device", "token", "revoke"):
        headers = {"Content-Type": kind}
        answer = client.post(f"/login/{endpoint}", content=content, headers=headers)
        assert answer.status_code == status
        if status == 400:
            assert answer.json()["error"] == "invalid_request"


def test_any_token_of_a_login_ends_it_and_what_is_none_is_no_error(shared: SharedService) -> None:
    secret = shared.token("ada")
    client = shared.client(secret)
    assert client.get("/me").status_code == 200
    assert post(shared, "revoke", token=secret).json() == {}
    assert client.get("/me").status_code == 401
    assert post(shared, "revoke", token=secret).status_code == 200
    assert post(shared, "revoke", token="kotta_r_nothing").status_code == 200
