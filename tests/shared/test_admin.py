"""The keeper's commands, by the service's own socket and by a login."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from running_service import RunningService
from shared_service import SharedService

SCHEMAS = Path(__file__).parents[2] / "kotta_cli/schemas"


def kotta(
    shared: SharedService, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kotta_cli", *words],
        env={**shared.environment, "KOTTA_SERVER": f"unix:{shared.socket}", **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def check(path: str, printed: str) -> Any:
    value = json.loads(printed)
    jsonschema.validate(value, json.loads((SCHEMAS / f"{path}.json").read_text()))
    return value


@pytest.fixture
def own_local_service(tmp_path: Path) -> Iterator[RunningService]:
    service = RunningService(tmp_path)
    service.start()
    yield service
    service.close()


def test_a_user_is_added_with_a_link_to_choose_a_password_by(shared: SharedService) -> None:
    added = kotta(shared, "admin", "user", "add", "grace", "grace@example.org")
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout.startswith(f"{shared.url}/enrol/kotta_i_")
    listed = kotta(shared, "admin", "user", "list")
    rows = [line.split("\t") for line in listed.stdout.splitlines()]
    assert [row[:4] for row in rows if row[0] == "grace"] == [
        ["grace", "grace@example.org", "user", "enabled"]
    ]
    again = kotta(shared, "admin", "user", "add", "grace", "other@example.org")
    assert again.returncode == 1
    assert "there is a user grace already" in again.stderr


def test_what_it_prints_as_json_is_what_its_schema_says(shared: SharedService) -> None:
    added = kotta(shared, "admin", "user", "add", "joan", "joan@example.org", "--json")
    assert check("admin-user-add", added.stdout)["user"]["name"] == "joan"


def test_roles_limits_and_being_kept_out(shared: SharedService) -> None:
    shared.add_user("mary")
    assert "admin" in kotta(shared, "admin", "user", "role", "mary", "admin").stdout
    limited = kotta(shared, "admin", "user", "limit", "mary", "queued=5", "cores=2").stdout
    assert limited.rstrip("\n").endswith("\tcores=2,queued=5") or "queued=5,cores=2" in limited
    assert "queued" not in kotta(shared, "admin", "user", "limit", "mary").stdout
    assert "disabled" in kotta(shared, "admin", "user", "disable", "mary").stdout
    assert "enabled" in kotta(shared, "admin", "user", "enable", "mary").stdout


def test_a_name_that_means_something_else_is_told_from_one_that_cannot_be(
    shared: SharedService,
) -> None:
    for name, words in (("local", "it means something else"), ("9x", "beginning with a letter")):
        added = kotta(shared, "admin", "user", "add", name, "l@example.org")
        assert added.returncode != 0
        assert words in added.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("role", "ada", "king"),
        ("limit", "ada", "spoons=3"),
        ("limit", "ada", "queued=-1"),
        ("add", "x", "x@example.org", "--role", "king"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    shared: SharedService, words: tuple[str, ...]
) -> None:
    assert kotta(shared, "admin", "user", *words).returncode == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("list", ()),
        ("invite", ("ada",)),
        ("disable", ("bob",)),
        ("enable", ("bob",)),
        ("role", ("bob", "user")),
        ("limit", ("bob", "queued=7")),
    ],
)
def test_what_the_others_print_as_json_is_what_their_schemas_say(
    shared: SharedService, path: str, words: tuple[str, ...]
) -> None:
    printed = kotta(shared, "admin", "user", path, *words, "--json")
    assert printed.returncode == 0
    check(f"admin-user-{path}", printed.stdout)


def test_tokens_are_made_listed_and_revoked(shared: SharedService) -> None:
    by = {"KOTTA_SERVER": shared.url, "KOTTA_TOKEN": shared.token("ada")}
    made = kotta(
        shared, "token", "create", "--label", "nightly", "--expires", "30d", "--json", **by
    )
    token = check("token-create", made.stdout)
    assert kotta(shared, "whoami", **{**by, "KOTTA_TOKEN": token["token"]}).returncode == 0
    listed = check("token-list", kotta(shared, "token", "list", "--json", **by).stdout)
    assert [each["label"] for each in listed if each["id"] == token["id"]] == ["nightly"]
    ended = kotta(shared, "token", "revoke", token["id"][:13], "--json", **by)
    check("token-revoke", ended.stdout)
    refused = kotta(shared, "whoami", **{**by, "KOTTA_TOKEN": token["token"]})
    assert (refused.returncode, refused.stdout) == (4, "")


def test_a_service_of_ones_own_has_no_users(own_local_service: RunningService) -> None:
    body = {"name": "ada", "email": "ada@example.org"}
    answer = own_local_service.http.post("/users", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_shared")


def test_somebody_who_is_not_there_is_an_error(shared: SharedService) -> None:
    refused = kotta(shared, "admin", "user", "disable", "nobody")
    assert refused.returncode == 1
    assert "there is no user `nobody`" in refused.stderr


def test_by_a_token_it_takes_an_administrator(shared: SharedService) -> None:
    server = {"KOTTA_SERVER": shared.url}
    eve = kotta(shared, "admin", "user", "list", KOTTA_TOKEN=shared.token("eve"), **server)
    assert eve.returncode == 0
    ada = kotta(shared, "admin", "user", "list", KOTTA_TOKEN=shared.token("ada"), **server)
    assert (ada.returncode, ada.stdout) == (1, "")
    assert "that is for administrators" in ada.stderr


def test_without_a_token_one_is_told_to_log_in(shared: SharedService) -> None:
    refused = kotta(shared, "list", KOTTA_SERVER=shared.url)
    assert refused.returncode == 4
    assert f"kotta login {shared.url}" in refused.stderr


def test_whoami_says_who_one_is(shared: SharedService) -> None:
    token = shared.token("ada", ("read",))
    told = kotta(shared, "whoami", KOTTA_SERVER=shared.url, KOTTA_TOKEN=token)
    assert told.stdout == f"ada\tada@example.org\tuser\tread\t{shared.url}\t\n"
    assert kotta(shared, "whoami").stdout.split("\t")[0] == "local"
    assert os.environ.get("KOTTA_TOKEN") is None
