"""A login from a terminal, as far as it goes over the wire: patience, and servers that lie."""

from __future__ import annotations

from typing import Any

import pytest

from kotta import oauth
from kotta.errors import (
    ConnectionFailedError,
    LoginRequiredError,
    RequestError,
    ServiceFaultError,
    UnavailableError,
    WaitTimeoutError,
)
from kotta.oauth import Device, OAuth
from library.stand_in import Reply, StandIn, as_json

BEGUN = {
    "device_code": "device",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://kotta.example.org/login",
    "verification_uri_complete": "https://kotta.example.org/login?code=BCDF-GHJK",
    "expires_in": 900,
    "interval": 5,
}
TOKENS = as_json({"access_token": "access", "refresh_token": "refresh", "expires_in": 60})


def said(error: str) -> Reply:
    return as_json({"error": error}, 400)


PENDING, SLOW_DOWN = said("authorization_pending"), said("slow_down")


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(oauth, "time", made)
    return made


def begun(stand_in: StandIn, **changed: Any) -> Device:
    stand_in.replies(as_json({**BEGUN, **changed}))
    return OAuth(stand_in.address).begin(label="ada@laptop", scopes="read")


def finished(stand_in: StandIn, device: Device, clock: Clock, *replies: Reply | None) -> Any:
    stand_in.replies(*replies)
    return OAuth(stand_in.address).finish(device, sleep=clock.sleep)


def test_it_asks_as_seldom_as_it_is_told(stand_in: StandIn, clock: Clock) -> None:
    device = begun(stand_in, interval=7)
    tokens = finished(stand_in, device, clock, PENDING, SLOW_DOWN, PENDING, SLOW_DOWN, TOKENS)
    assert clock.slept == [7, 7, 12, 12, 17]
    assert (tokens.access_token, tokens.refresh_token) == ("access", "refresh")
    assert "access" not in repr(tokens)
    assert "device_code" not in repr(device)


def test_without_an_interval_it_is_five_seconds(stand_in: StandIn, clock: Clock) -> None:
    del (fields := dict(BEGUN))["interval"]
    stand_in.replies(as_json(fields))
    device = OAuth(stand_in.address).begin(label="", scopes="")
    finished(stand_in, device, clock, TOKENS)
    assert clock.slept == [5]


def test_a_service_that_is_away_meanwhile_is_waited_for(stand_in: StandIn, clock: Clock) -> None:
    device = begun(stand_in)
    away = [None, Reply(b"<html>", 502), Reply(b"", 503), None, None]
    finished(stand_in, device, clock, *away, PENDING, TOKENS)
    assert clock.slept == [5, 10, 20, 30, 30, 30, 30]


def test_no_is_an_answer(stand_in: StandIn, clock: Clock) -> None:
    with pytest.raises(LoginRequiredError, match="refused in the browser"):
        finished(stand_in, begun(stand_in), clock, PENDING, said("access_denied"))


@pytest.mark.parametrize("last", [PENDING, said("expired_token"), None])
def test_nobody_is_waited_for_until_the_code_expires(
    stand_in: StandIn, clock: Clock, last: Reply | None
) -> None:
    device = begun(stand_in, expires_in=62)
    with pytest.raises(WaitTimeoutError, match="nobody finished the login in time") as caught:
        finished(stand_in, device, clock, PENDING, last)
    assert caught.value.hint == f"kotta login {stand_in.address}"
    assert clock.now <= 1062


def test_another_error_is_told(stand_in: StandIn, clock: Clock) -> None:
    reply = as_json({"error": "invalid_client", "error_description": "the client is x"}, 401)
    with pytest.raises(RequestError, match="refuses the login: the client is x"):
        finished(stand_in, begun(stand_in), clock, reply)


def test_who_asks_for_too_many_codes_is_told_to_come_back(stand_in: StandIn) -> None:
    stand_in.replies(as_json({"error": "slow_down", "error_description": "too many"}, 429))
    with pytest.raises(UnavailableError, match="too many"):
        OAuth(stand_in.address).begin(label="", scopes="")


@pytest.mark.parametrize(
    "changed",
    [
        {"verification_uri": "file:///etc/passwd"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "--new-window=x"},
        {"verification_uri": "https://kotta.example.org@evil.example/"},
        {"verification_uri": "https://kotta.example.org/\x1b[2J"},
        {"verification_uri": "https://[::"},
        {"verification_uri": 7},
        {"verification_uri_complete": "file:///tmp/x.desktop"},
        {"device_code": "a b"},
        {"device_code": None},
        {"user_code": ""},
        {"user_code": ["B"]},
        {"expires_in": -1},
        {"expires_in": "NaN"},
        {"expires_in": 10**400},
        {"expires_in": True},
        {"interval": 0},
        {"interval": -5},
        {"interval": "Infinity"},
        {"interval": {}},
    ],
)
def test_what_makes_no_sense_is_no_login(stand_in: StandIn, changed: dict[str, Any]) -> None:
    with pytest.raises(ServiceFaultError, match="no Kotta service that one can log in to"):
        begun(stand_in, **changed)


def test_it_is_not_waited_for_longer_than_a_year(stand_in: StandIn, clock: Clock) -> None:
    assert begun(stand_in, expires_in=1e300).expires_at <= 1000 + oauth.MAX_SECONDS


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"[]"),
        Reply(b"<html>"),
        Reply(b"[" * 200_000),
        Reply(b"{" * 200_000),
        Reply(b"\xff"),
        Reply(b" " * (2 << 20)),
        Reply(b"{}", 200, {"Content-Encoding": "gzip, gzip"}),
        Reply(b"{}", 404),
        Reply(b"{}", 500),
        Reply(b"", 302, {"Location": "file:///etc/passwd"}),
    ],
)
def test_what_is_no_service_is_told_in_plain_words(stand_in: StandIn, reply: Reply) -> None:
    stand_in.replies(reply)
    with pytest.raises(ServiceFaultError) as caught:
        OAuth(stand_in.address).begin(label="", scopes="")
    assert stand_in.address in caught.value.message
    assert len(stand_in.requests) == 1


def test_nobody_there_is_an_error(stand_in: StandIn) -> None:
    stand_in.replies(None)
    with pytest.raises(ConnectionFailedError, match=stand_in.address):
        OAuth(stand_in.address).revoke("token")
