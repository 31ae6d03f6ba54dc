"""Whose tokens go where: to their own service alone, renewed in time, and once."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kotta import Kotta, credential_store, login, oauth, set_stream_logger
from kotta.credential_store import Login
from kotta.credentials import Credentials
from kotta.errors import (
    ConfigError,
    ConnectionFailedError,
    KottaError,
    LoginRequiredError,
    RequestError,
    ServiceFaultError,
)
from library.stand_in import Reply, Request, StandIn, a_problem, as_json

NO_QUEUES = as_json({"queues": []})
STALE = a_problem(401, "token_invalid", "this token does not count")
ENDED = as_json({"error": "invalid_grant"}, 400)
FRESH = {"access_token": "fresh", "refresh_token": "next", "expires_in": 3600}


@pytest.fixture
def other() -> Iterator[StandIn]:
    """Another service, or somebody who pretends to be one."""
    with StandIn() as server:
        server.replies(NO_QUEUES)
        yield server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "LOST_SECONDS", (0, 0))


class Lab:
    """A stand-in that knows the tokens it gave."""

    def __init__(self, stand_in: StandIn) -> None:
        self.address = stand_in.address
        self.counts = {"kept"}
        self.renewals: list[Reply | None] = [as_json(FRESH)]
        self.renewed_with: list[str] = []
        self.tokens: list[str | None] = []
        stand_in.answer = self._answer

    def _answer(self, request: Request) -> Reply | None:
        if request.path == "/login/token":
            form = dict(each.split("=", 1) for each in request.body.decode().split("&"))
            self.renewed_with.append(form["refresh_token"])
            reply = self.renewals.pop(0) if len(self.renewals) > 1 else self.renewals[0]
            if reply is not None and reply.status == 200:
                self.counts = {"fresh"}
            return reply
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.tokens.append(token or None)
        if not token:
            return a_problem(401, "login_required", "who are you?", hint="kotta login")
        return NO_QUEUES if token in self.counts else STALE

    def keep(self, *, expires_in: float = 3600, refresh_token: str = "refresh") -> None:
        kept = Login("ada", "kept", refresh_token, time.time() + expires_in)
        credential_store.keep(self.address, kept, use_keyring=False)


@pytest.fixture
def lab(stand_in: StandIn) -> Lab:
    return Lab(stand_in)


@pytest.fixture
def konn(lab: Lab) -> Iterator[Kotta]:
    with Kotta(server=lab.address) as client:
        yield client


def test_a_kept_login_is_sent_to_its_service_alone(lab: Lab, konn: Kotta, other: StandIn) -> None:
    lab.keep()
    konn.queues()
    with Kotta(server=other.address) as elsewhere:
        elsewhere.queues()
    assert lab.tokens == ["kept"]
    assert "authorization" not in other.requests[0].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_given", [True, False])
def test_no_token_goes_along_a_redirect(
    stand_in: StandIn,
    other: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    is_given: bool,
) -> None:
    if is_given:
        monkeypatch.setenv("KOTTA_TOKEN", "given")
    Lab(stand_in).keep(expires_in=3600 if is_given else -1)
    stand_in.replies(Reply(b"", status, {"Location": f"{other.address}/api/v2/queues"}))
    with Kotta(server=stand_in.address) as konn:
        with pytest.raises(ServiceFaultError, match=f"sends on to {other.address}"):
            konn.queues()
        with (
            pytest.raises(ServiceFaultError, match="sends on to"),
            konn.api.output("3f0c1d52-6f0f-4c57-8a4e-5d5ed5f0a001", "made.txt"),
        ):
            pass
    assert other.requests == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "/api/v2/queues", "//evil.example/"])
def test_no_redirect_is_followed(stand_in: StandIn, konn: Kotta, location: str) -> None:
    stand_in.replies(Reply(b"", 302, {"Location": location}))
    with pytest.raises(ServiceFaultError, match="sends on to"):
        konn.queues()
    assert len(stand_in.requests) == 1


def test_what_is_for_this_machine_is_told_to_no_proxy(
    lab: Lab, konn: Kotta, other: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.address)
    lab.keep(expires_in=-1)
    konn.queues()
    assert lab.tokens == ["fresh"]
    assert other.requests == []


@pytest.mark.parametrize("token", ["a b", "a\nb", "a\r\nX-Evil: 1", "é", "\udcff", "a\x7f"])
def test_a_token_that_can_be_none_is_not_repeated(
    lab: Lab, konn: Kotta, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("KOTTA_TOKEN", f"canary{token}canary")
    with pytest.raises(ConfigError, match="KOTTA_TOKEN holds what can be no token") as caught:
        konn.queues()
    assert "canary" not in f"{caught.value} {caught.value.hint} {caught.value.__context__!r}"
    assert lab.tokens == []


def test_a_token_from_a_file_may_end_with_its_line(
    lab: Lab, konn: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.counts = {"given"}
    monkeypatch.setenv("KOTTA_TOKEN", " given\r\n")
    konn.queues()
    assert lab.tokens == ["given"]


def test_tokens_are_sent_over_tls_or_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOTTA_TOKEN", "given")
    for host in ("kotta.example.org", "127.0.0.1.example.org", "10.0.0.1", "localhost.example.org"):
        with Kotta(server=f"http://{host}") as konn, pytest.raises(RequestError, match="not https"):
            konn.queues()
    for address in ("http://u:p@localhost", "http://localhost@evil.example", "https://u@a.example"):
        with pytest.raises(ConfigError, match="no address of a service"):
            Kotta(server=address)
        with pytest.raises(ConfigError, match="no address of a service"):
            login.checked(address)


def test_capitals_in_an_address_change_nothing(lab: Lab) -> None:
    lab.keep()
    with Kotta(server=lab.address.upper()) as konn:
        konn.queues()
    assert lab.tokens == ["kept"]
    assert login.checked("HTTPS://Kotta.Example.org/") == "https://kotta.example.org"


def test_a_token_is_renewed_before_it_expires(lab: Lab, konn: Kotta) -> None:
    lab.keep(expires_in=30)
    konn.queues()
    konn.queues()
    assert (lab.tokens, lab.renewed_with) == (["fresh", "fresh"], ["refresh"])
    kept = credential_store.find(lab.address)
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("fresh", "next")
    assert kept.expires_at > time.time() + 3000


def test_a_token_that_is_refused_is_renewed(lab: Lab, konn: Kotta) -> None:
    lab.keep()
    lab.counts = set()
    konn.queues()
    assert (lab.tokens, lab.renewed_with) == (["kept", "fresh"], ["refresh"])


def test_what_another_program_renewed_is_taken_over(lab: Lab, konn: Kotta) -> None:
    lab.keep()
    konn.queues()
    lab.counts = {"another"}
    kept = credential_store.find(lab.address)
    assert kept is not None
    kept = replace(kept, access_token="another", expires_at=time.time() + 3600)
    credential_store.keep(lab.address, kept, use_keyring=False)
    konn.queues()
    assert (lab.tokens, lab.renewed_with) == (["kept", "kept", "another"], [])


def test_a_renewal_whose_answer_is_lost_is_asked_for_again(lab: Lab, konn: Kotta) -> None:
    lab.keep(expires_in=-1)
    lab.renewals = [None, Reply(b'{"access_', cut_at=3), as_json(FRESH)]
    konn.queues()
    assert (lab.tokens, lab.renewed_with) == (["fresh"], ["refresh"] * 3)


@pytest.mark.parametrize("reply", [None, Reply(b"<html>", 502), as_json({}, 503)])
def test_where_it_cannot_be_renewed_now_a_token_does_that_still_counts(
    lab: Lab, konn: Kotta, reply: Reply | None
) -> None:
    lab.keep(expires_in=30)
    lab.renewals = [reply]
    konn.queues()
    assert lab.tokens == ["kept"]


@pytest.mark.parametrize(
    "reply",
    [
        as_json({"access_token": ""}),
        as_json({"access_token": "a b"}),
        as_json({"access_token": "\ud800"}),
        as_json({"access_token": "a\r\nX: 1"}),
        as_json({**FRESH, "expires_in": "soon"}),
        as_json({**FRESH, "refresh_token": [1]}),
        Reply(b'{"access_token": "fresh", "expires_in": NaN}'),
        Reply(b'{"access_token": "fresh", "expires_in": 1' + b"0" * 400 + b"}"),
        Reply(b'{"access_token": "fresh", "expires_in": 1' + b"0" * 5000 + b"}"),
        Reply(b"[" * 200_000),
        Reply(b"\xff\xfe"),
        Reply(b" " * (2 << 20)),
        Reply(b"{}", 200, {"Content-Encoding": "gzip"}),
        Reply(b"<html>", 500),
    ],
)
def test_what_is_no_renewal_is_an_error_and_keeps_the_login(
    lab: Lab, konn: Kotta, reply: Reply
) -> None:
    lab.keep(expires_in=-1)
    lab.renewals = [reply]
    with pytest.raises(ServiceFaultError, match="no Kotta service"):
        konn.queues()
    kept = credential_store.find(lab.address)
    assert kept is not None
    assert kept.refresh_token == "refresh"


def test_a_login_that_was_ended_is_forgotten_and_a_new_one_found(lab: Lab, konn: Kotta) -> None:
    lab.keep()
    lab.counts, lab.renewals = set(), [ENDED]
    with pytest.raises(LoginRequiredError, match="has ended") as caught:
        konn.queues()
    assert caught.value.hint == f"kotta login {lab.address}"
    assert credential_store.find(lab.address) is None
    with pytest.raises(LoginRequiredError, match="who are you"):
        konn.queues()
    # somebody logs in again in a terminal, while a notebook runs on
    lab.keep()
    lab.counts = {"kept"}
    konn.queues()
    assert lab.renewed_with == ["refresh"]


def test_tokens_that_were_given_are_renewed_in_memory(lab: Lab) -> None:
    creds = {"access_token": "old", "refresh_token": "refresh"}
    with Kotta(creds, server=lab.address) as konn:
        konn.queues()
        konn.queues()
    assert (lab.tokens, lab.renewed_with) == (["old", "fresh", "fresh"], ["refresh"])
    assert not credential_store.file().exists()


def test_what_is_kept_at_login_is_what_tokens_were_renewed_to(stand_in: StandIn) -> None:
    lab = Lab(stand_in)
    me: dict[str, Any] = {
        "name": "ada",
        "email": "",
        "role": "user",
        "scopes": [],
        "server": lab.address,
    }
    asked = lab._answer
    stand_in.answer = lambda request: (
        as_json(me) if (reply := asked(request)) is NO_QUEUES else reply
    )
    login.keep(lab.address, Credentials("old", "refresh"))
    kept = credential_store.find(lab.address)
    assert kept is not None
    # the old one was used: to use it again would end the login
    assert (kept.access_token, kept.refresh_token) == ("fresh", "next")


def test_nothing_that_is_logged_or_raised_shows_a_token(
    lab: Lab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = set_stream_logger()
    caplog.set_level(logging.DEBUG)
    canary = "kotta_t_canary"
    monkeypatch.setenv("KOTTA_TOKEN", canary)
    shown: list[str] = []
    answers: list[Reply | None] = [
        None,
        STALE,
        Reply(json.dumps({"token": canary, "id": canary}).encode()),
        a_problem(400, "bad"),
    ]
    for reply in answers:
        with StandIn() as hostile:
            hostile.replies(reply)
            with Kotta(server=hostile.address) as konn:
                with pytest.raises((KottaError, ConnectionFailedError)) as caught:
                    konn.tokens.create("script", ["read"])
            shown.append("".join(_traceback(caught.value)))
            shown.append(repr(vars(konn)) + repr(konn))
    logging.getLogger("kotta").removeHandler(handler)
    assert canary not in "".join(shown)
    assert canary not in caplog.text


def _traceback(error: BaseException) -> list[str]:
    import traceback

    return traceback.format_exception(error)
