"""Tokens for scripts, and the list of logins: made, seen and ended by their owner alone."""

from __future__ import annotations

import pytest
from shared_service import SharedService
from waiting import wait_until


def make(shared: SharedService, token: str, **wanted: object) -> tuple[int, dict[str, object]]:
    body = {"label": "ci", "scopes": ["read"], **wanted}
    answer = shared.client(token).post("/tokens", json=body)
    return answer.status_code, answer.json()


def test_a_token_is_made_listed_used_and_ended(shared: SharedService) -> None:
    ada = shared.client(shared.token("ada"))
    made = ada.post("/tokens", json={"label": "ci", "scopes": ["read"], "expires_in_seconds": 60})
    assert made.status_code == 201
    secret, identifier = made.json()["token"], made.json()["id"]
    assert secret.startswith("kotta_t_")
    script = shared.client(secret)
    assert script.get("/me").json()["scopes"] == ["read"]

    listed = {token["id"]: token for token in script.get("/tokens").json()["tokens"]}
    mine = listed[identifier]
    assert (mine["label"], mine["kind"], mine["is_current"]) == ("ci", "token", True)
    assert mine["expires_at"] is not None
    assert "token" not in mine
    assert sum(token["is_current"] for token in listed.values()) == 1

    assert ada.delete(f"/tokens/{identifier}").status_code == 204
    assert script.get("/me").status_code == 401
    assert ada.delete(f"/tokens/{identifier}").status_code == 404


def test_another_users_token_is_not_there(shared: SharedService) -> None:
    bob = shared.client(shared.token("bob"))
    _, made = make(shared, shared.token("ada"))
    for client in (bob, shared.client(shared.token("eve"))):
        assert made["id"] not in str(client.get("/tokens").json())
        theirs = client.delete(f"/tokens/{made['id']}")
        unknown = client.delete("/tokens/0")
        assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
        assert unknown.json()["code"] == theirs.json()["code"]
    assert shared.client(str(made["token"])).get("/me").status_code == 200


def test_a_token_is_good_for_no_more_than_its_maker(shared: SharedService) -> None:
    status, found = make(shared, shared.token("ada", ("write",)), scopes=["read"])
    assert (status, found["code"]) == (403, "scope_missing")
    # administering is for administrators, whatever their token says
    assert make(shared, shared.token("ada"), scopes=["admin"])[0] == 403
    assert make(shared, shared.token("eve"), scopes=["read", "admin"])[0] == 201


def test_a_token_cannot_live_on_in_another(shared: SharedService) -> None:
    _, short = make(shared, shared.token("ada"), scopes=["write"], expires_in_seconds=600)
    secret = str(short["token"])
    for seconds in (None, 700):
        status, found = make(shared, secret, scopes=["write"], expires_in_seconds=seconds)
        assert (status, found["code"]) == (403, "token_outlives")
    assert make(shared, secret, scopes=["write"], expires_in_seconds=60)[0] == 201


@pytest.mark.parametrize(
    "wanted",
    [
        {"label": ""},
        {"label": "a\x1bb"},
        {"label": "x" * 256},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"expires_in_seconds": 0},
        {"expires_in_seconds": 10**12},
        {"unknown": 1},
    ],
)
def test_what_no_token_can_be_is_refused(shared: SharedService, wanted: dict[str, object]) -> None:
    assert make(shared, shared.token("ada"), **wanted)[0] == 422


def test_over_the_own_socket_nobody_needs_a_token(shared: SharedService) -> None:
    assert shared.http.get("/tokens").json() == {"tokens": []}
    answer = shared.http.post("/tokens", json={"label": "x", "scopes": ["read"]})
    assert answer.status_code == 409


def test_when_a_token_was_last_used_is_known(shared: SharedService) -> None:
    ada = shared.client(shared.token("ada"))
    ada.get("/me")

    def used() -> bool:
        tokens = ada.get("/tokens").json()["tokens"]
        return any(token["is_current"] and token["last_used_at"] for token in tokens)

    wait_until(used)
