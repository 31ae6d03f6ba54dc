"""The way in: who is let in, by which door, and what a service refuses to be served as."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from shared_service import SharedService
from waiting import wait_until

from kotta_service.deployment import problems
from kotta_service.settings import load_settings


def test_every_request_from_the_network_needs_a_token(shared: SharedService) -> None:
    nobody = shared.client()
    for path in ("/jobs", "/changes", "/queues", "/service", "/me", "/users"):
        answer = nobody.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "login_required")
        assert answer.headers["www-authenticate"] == 'Bearer realm="kotta"'
    assert nobody.post("/service/stop").status_code == 401


@pytest.mark.parametrize("token", ["x", "kotta_t_" + "A" * 43, "eyJhbGciOiJub25lIn0.e30.", "é"])
def test_a_token_that_is_none_is_refused(shared: SharedService, token: str) -> None:
    answer = shared.client().get("/jobs", headers={b"Authorization": f"Bearer {token}".encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_a_token_lets_its_user_in(shared: SharedService) -> None:
    ada = shared.client(shared.token("ada"))
    me = ada.get("/me").json()
    assert (me["name"], me["role"], me["server"]) == ("ada", "user", shared.url)
    job = ada.post("/jobs", json={"jobs": [{"executable": "true"}]}).json()["jobs"][0]
    assert ada.get(f"/jobs/{job['id']}", params={"wait": 20}).json()["status"] == "completed"


def test_a_token_is_good_for_its_scopes_alone(shared: SharedService) -> None:
    reader = shared.client(shared.token("ada", ("read",)))
    assert reader.get("/jobs").status_code == 200
    refused = reader.post("/jobs", json={"jobs": [{"executable": "true"}]})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


def test_administering_takes_the_role_and_the_scope(shared: SharedService) -> None:
    assert shared.client(shared.token("ada")).get("/users").status_code == 403
    assert shared.client(shared.token("eve", ("read", "write"))).get("/users").status_code == 403
    names = [
        user["name"] for user in shared.client(shared.token("eve")).get("/users").json()["users"]
    ]
    assert names == ["ada", "bob", "eve"]


def test_who_is_disabled_is_out_at_once(shared: SharedService) -> None:
    shared.add_user("leaver")
    leaver = shared.client(shared.token("leaver"))
    assert leaver.get("/me").status_code == 200
    assert shared.http.patch("/users/leaver", json={"disabled": True}).json()["disabled"] is True
    assert leaver.get("/me").status_code == 401


def test_only_an_administrator_ends_the_service(shared: SharedService) -> None:
    answer = shared.client(shared.token("bob")).post("/service/stop")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_admin")
    assert shared.client().get(f"{shared.url}/readyz").status_code == 200


def test_names_and_addresses_of_users_are_checked(shared: SharedService) -> None:
    for name in ("", "Ada", "a b", "../x", "local", "x" * 65, "-a", "everyone"):
        answer = shared.http.post("/users", json={"name": name, "email": "x@example.org"})
        assert answer.status_code in (400, 422), name
    taken = shared.http.post("/users", json={"name": "ada", "email": "other@example.org"})
    assert taken.status_code == 409
    same = shared.http.post("/users", json={"name": "other", "email": "ADA@example.org"})
    assert same.status_code == 409


def test_it_says_when_it_is_ready_without_a_token(shared: SharedService) -> None:
    root = shared.client()
    ready = root.get(f"{shared.url}/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "lacks": []})
    assert root.get(f"{shared.url}/healthz").status_code == 200


def test_its_log_has_a_line_of_json_for_each_request(shared: SharedService) -> None:
    bob = shared.client(shared.token("bob"))
    answer = bob.get("/queues?secret=s3cret", headers={"X-Request-Id": "proxy-1"})
    told = line_of(shared, answer)
    assert (told["user"], told["status"], told["method"]) == ("bob", 200, "GET")
    assert (told["route"], told["x_request_id"]) == ("/api/v2/queues", "proxy-1")
    assert (told["sent_bytes"], told["received_bytes"]) == (len(answer.content), 0)
    assert told["client"] == "127.0.0.1"
    assert "s3cret" not in shared.log()


def test_a_request_is_called_nothing_that_could_be_a_line_of_the_log(shared: SharedService) -> None:
    for name in ('x"y', "x" * 129, "a b"):
        answer = shared.client().get("/queues", headers={"X-Request-Id": name})
        assert "x_request_id" not in line_of(shared, answer)


def test_a_link_to_enrol_by_is_not_in_the_log(shared: SharedService) -> None:
    url = shared.add_user("carl")
    secret = url.rsplit("/", 1)[1]
    answer = shared.client().get(url)
    assert (answer.status_code, line_of(shared, answer)["route"][:8]) == (200, "/enrol/{")
    assert secret not in shared.log()


def line_of(shared: SharedService, answer: httpx.Response) -> dict[str, Any]:
    """The log's line of a request, written once it is answered; every line is an object."""
    name = answer.headers["kotta-request-id"]

    def told() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in shared.log().splitlines()]
        return [line for line in lines if line.get("request_id") == name]

    (found,) = wait_until(told)
    return found


def test_it_leaves_when_it_is_asked_to(tmp_path: Path) -> None:
    service = SharedService(tmp_path)
    service.start()
    try:
        assert service.process is not None
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(10) == 0
    finally:
        service.close()


def test_what_would_not_be_safe_is_not_served(tmp_path: Path) -> None:
    def found(serve: str) -> str:
        file = tmp_path / "service.toml"
        file.write_text(f"[serve]\nrun_jobs_as_root = true\n{serve}")
        return "\n".join(problems(load_settings(file)))

    assert found("") == ""
    assert "without TLS" in found('host = "0.0.0.0"')
    url = 'public_url = "https://kotta.lab"\n'
    assert "public_url is missing" in found('host = "::"\nplain_http_is_fine = true')
    assert found(f'{url}host = "0.0.0.0"\nplain_http_is_fine = true') == ""
    assert "public_url is missing" in found('trusted_proxies = ["10.0.0.1"]')
    assert found(f'{url}host = "0.0.0.0"\ntrusted_proxies = ["10.0.0.1"]') == ""
    assert "belong together" in found('tls_key = "/nowhere"')
    assert "/nowhere: No such file" in found('tls_key = "/nowhere"\ntls_certificate = "/nowhere"')
    assert "no address" in found('public_url = "kotta.lab"')
    assert "not https" in found('public_url = "http://kotta.lab"')
    for wrong in ("proxy", "10.0.0.1/8", "*"):
        assert "no address or network" in found(f'{url}trusted_proxies = ["{wrong}"]')
