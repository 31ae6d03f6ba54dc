"""The first clients' credentials, given to the library and the command of today."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from first_clients import FirstLibrary
from shared_service import SharedService

from kotta import Kotta, KottaJob, errors

Form = Callable[[str], "str | Mapping[str, Any]"]
FORMS: list[Form] = [
    lambda token: {"access_token": token},
    lambda token: json.dumps({"access_token": token, "refresh_token": ""}),
    lambda token: f"https://turing.example/login?access_token={token}&token_type=bearer\n",
]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for kind in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    for variable in ("KOTTA_SERVER", "KOTTA_PROFILE", "KOTTA_TOKEN"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("form", FORMS)
def test_the_library_takes_them_in_every_form(shared: SharedService, form: Form) -> None:
    with Kotta(form(shared.token("ada")), server=shared.url) as konn:
        told = konn.submit_task(
            {"executable": "/bin/echo hello", "queue": "Test", "user_email": "ada@example.org"}
        )
        assert told["status"] == "Success"
        job = KottaJob(konn, job_id=told["job_id"])
        assert job.wait() == "completed"
        assert job.STDOUT == "hello\n"
    # the same job, as the library of then would see it
    assert FirstLibrary(shared.url).status_task(told["job_id"])["username"] == "ada"


def test_the_library_renews_an_access_token_that_has_expired(shared: SharedService) -> None:
    tokens = shared.login("ada")
    creds = {"access_token": "expired", "refresh_token": tokens.refresh_token}
    with Kotta(creds, server=shared.url) as konn:
        assert konn.whoami().name == "ada"


def test_tokens_that_do_not_count_are_an_error(shared: SharedService) -> None:
    with (
        Kotta({"access_token": "wrong"}, server=shared.url) as konn,
        pytest.raises(errors.LoginRequiredError) as caught,
    ):
        konn.list()
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("form", FORMS[1:])
def test_the_command_logs_in_with_their_file(
    shared: SharedService, tmp_path: Path, form: Form
) -> None:
    token = shared.token("ada")
    (tmp_path / "auth").write_text(str(form(token)))
    environment = {**shared.environment, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    def kotta(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kotta_cli", *words],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    done = kotta("login", shared.url, "--auth-file", "auth")
    assert (done.returncode, done.stdout) == (0, f"Logged in to {shared.url} as ada.\n")
    assert token not in done.stdout + done.stderr
    assert kotta("whoami").stdout.split("\t")[0] == "ada"
    ran = kotta("submit", "--wait", "--", "true")
    assert ran.returncode == 0, ran.stderr


def test_a_file_without_a_token_is_refused(shared: SharedService, tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("https://turing.example/login?code=s3cret")
    done = subprocess.run(
        [sys.executable, "-m", "kotta_cli", "login", shared.url, "--auth-file", "auth"],
        env={**shared.environment, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no `access_token`" in done.stderr
    assert "s3cret" not in done.stderr
