"""Logging in from the command line: a real service, a real command, a person at the pages."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import KOTTA, User
from form_filler import FormFiller
from library.stand_in import Request, StandIn, as_json
from logins import Terminal
from shared_service import SharedService
from waiting import wait_until

from kotta import Kotta, kottajob
from kotta.errors import UntrustedPickleError

PASSWORD = "correct horse battery"


@pytest.fixture
def person() -> Iterator[User]:
    """Somebody with a home of their own, who has no keyring."""
    user = User(Path(tempfile.mkdtemp(prefix="kc-")))
    user.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    yield user
    user.leave()


@pytest.fixture(scope="module")
def enrolled(shared: SharedService) -> SharedService:
    """The service, where ada has chosen a password."""
    filler = FormFiller(shared.url)
    url = shared.http.post("/users/ada/invitation").json()["url"]
    filler.open(url).send(password=PASSWORD, again=PASSWORD)
    filler.close()
    return shared


def kept(user: User) -> dict[str, Any]:
    """The one login that is kept."""
    (entry,) = json.loads((user.home / ".config/kotta/credentials.json").read_text()).values()
    found: dict[str, Any] = entry
    return found


def log_in(user: User, service: SharedService, *options: str) -> dict[str, Any]:
    """Logs in without a person: as if somebody had approved."""
    terminal = Terminal(service)
    answer_at_pages(service, terminal.page)
    tokens = terminal.tokens()
    (user.home / "auth").write_text(json.dumps(tokens))
    done = user.kotta("login", service.url, "--auth-file", "auth", *options)
    assert done.code == 0, done.err
    return tokens


def answer_at_pages(service: SharedService, page: str, decision: str = "approve") -> None:
    filler = FormFiller(service.url)
    filler.open(page).send().send(name="ada", password=PASSWORD).send(decision)
    filler.close()


@pytest.mark.slow
def test_a_person_logs_in_with_a_code_over_ssh(enrolled: SharedService, person: User) -> None:
    command = subprocess.Popen(
        [KOTTA, "login", enrolled.url],
        env={**person.environment, "SSH_CONNECTION": "1 2 3 4", "DISPLAY": ":0"},
        cwd=person.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stderr is not None
    assert command.stdout is not None
    told = "".join(command.stderr.readline() for _ in range(3))
    code = re.search(rf"Open   {enrolled.url}/login\nenter  (\S+)\nWaiting until", told)
    assert code, told
    answer_at_pages(enrolled, f"/login?code={code[1]}")
    out, err = command.communicate(timeout=30)
    assert (command.returncode, out) == (0, f"Logged in to {enrolled.url} as ada.\n"), err
    assert "the profile `127.0.0.1` now" in err
    assert f"{person.home}/.config/kotta/credentials.json" in err
    assert "browser" not in err
    assert kept(person)["user"] == "ada"
    assert person.kotta("whoami").out.startswith("ada\tada@example.org\tuser\tread,write\t")
    assert person.kotta("list").code == 0
    before = kept(person)
    assert person.kotta("logout").out == f"Logged out of {enrolled.url}.\n"
    assert enrolled.client(before["access_token"]).get("/me").status_code == 401
    assert person.kotta("logout", enrolled.url).code == 0
    assert person.quick("config", "get", "profile").out.strip() == ""


def test_a_token_from_stdin_is_as_good(enrolled: SharedService, person: User) -> None:
    token = enrolled.token("bob", ("read",))
    done = person.kotta("login", enrolled.url, "--with-token", "--json", stdin=f"{token}\n")
    assert done.json == {
        "login_needed": True,
        "server": enrolled.url,
        "user": "bob",
        "profile": "127.0.0.1",
        "kept_in": "file",
    }
    assert kept(person)["access_token"] == token
    submitted = person.kotta("submit", "--", "true")
    assert submitted.code == 1
    assert "write" in submitted.err
    person.kotta("logout")
    # by the file of the first clients: what their login page left in the address bar
    token = enrolled.token("bob")
    pasted = f"https://kotta.lab/authenticated?access_token={token}&token_type=bearer"
    (person.home / "auth").write_text(pasted)
    assert person.kotta("login", enrolled.url, "--auth-file", "auth").code == 0
    assert kept(person)["access_token"] == token


@pytest.mark.parametrize("words", [("--with-token",), ("--auth-file", "auth")])
def test_what_is_no_token_lets_nobody_in(
    enrolled: SharedService, person: User, words: tuple[str, ...]
) -> None:
    for text in ("", "\n", "a b", "\x1b[2J", "{}", '{"access_token": 1}'):
        (person.home / "auth").write_text(text)
        done = person.quick("login", enrolled.url, *words, stdin=text)
        assert done.code in (1, 4), text
        assert "error: " in done.err
    (person.home / "auth").write_text('{"access_token": "kotta_t_canary"}')
    done = person.quick("login", enrolled.url, *words, stdin="kotta_t_canary", KOTTA_DEBUG="1")
    assert done.code == 4
    assert "does not count" in done.err
    assert "canary" not in done.err
    assert not (person.home / ".config/kotta/credentials.json").exists()


ROUNDS = """
import contextlib, io, sys
from kotta_cli.main import main
for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        sys.stdout.reconfigure = sys.stderr.reconfigure = lambda **_: None
        code = main(["whoami"])
    print(code, said.getvalue().replace("\\n", " "), flush=True)
"""


@pytest.mark.parametrize("rounds", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_many_commands_at_once_renew_an_expired_login_once(
    enrolled: SharedService, person: User, rounds: int
) -> None:
    log_in(person, enrolled)
    path = person.home / ".config/kotta/credentials.json"
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", ROUNDS],
            env=person.environment,
            cwd=person.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    seen = {kept(person)["refresh_token"]}
    before = renewals(enrolled)
    try:
        for number in range(rounds):
            entries = json.loads(path.read_text())
            for entry in entries.values():
                entry["expires_at"] = time.time() - 1
            path.write_text(json.dumps(entries))
            for command in commands:
                assert command.stdin is not None
                command.stdin.write("go\n")
                command.stdin.flush()
            for command in commands:
                assert command.stdout is not None
                assert command.stdout.readline() == "0 \n"
            seen.add(kept(person)["refresh_token"])
            assert len(seen) == number + 2
    finally:
        for command in commands:
            command.communicate(timeout=20)
    assert renewals(enrolled) - before == rounds


def renewals(service: SharedService) -> int:
    """How many refresh tokens the service has given so far, which it keeps for 90 days."""
    with contextlib.closing(sqlite3.connect(service.data / "kotta.db")) as database:
        ((count,),) = database.execute("SELECT count(*) FROM refresh_tokens")
    assert isinstance(count, int)
    return count


def test_a_login_that_was_revoked_elsewhere_is_over(enrolled: SharedService, person: User) -> None:
    tokens = log_in(person, enrolled)
    me = enrolled.client(tokens["access_token"])
    (current,) = (each for each in me.get("/tokens").json()["tokens"] if each["is_current"])
    assert me.delete(f"/tokens/{current['id']}").status_code in (200, 204)
    done = person.kotta("list")
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        f"error: your login at {enrolled.url} has ended\nhint: kotta login {enrolled.url}\n"
    )
    assert person.kotta("list").code == 4


def test_a_login_that_cannot_be_ended_is_forgotten_and_that_is_said(person: User) -> None:
    with StandIn() as lab:
        me = {"name": "ada", "email": "", "role": "user", "scopes": [], "server": lab.address}
        lab.replies(as_json(me))
        assert person.quick("login", lab.address, "--with-token", stdin="token\n").code == 0
        address = lab.address
    done = person.quick("logout")
    assert done.code == 1
    assert "the login is forgotten here, but not ended: no answer from" in done.err
    assert person.quick("logout", address).code == 0


class Desk:
    """A stand-in for a service at which logins go as a test says."""

    def __init__(self, lab: StandIn, **changed: Any) -> None:
        self.begun = {
            "device_code": "device",
            "user_code": "BCDF-GHJK",
            "verification_uri": f"{lab.address}/login",
            "verification_uri_complete": f"{lab.address}/login?code=BCDF-GHJK",
            "expires_in": 900,
            "interval": 0.2,
            **changed,
        }
        self.answer: Any = {"error": "authorization_pending"}
        self.ended: list[str] = []
        me = {"name": "ada", "email": "", "role": "user", "scopes": [], "server": lab.address}

        def answer(request: Request) -> Any:
            if request.path == "/login/device":
                return as_json(self.begun)
            if request.path == "/login/revoke":
                self.ended.append(request.body.decode())
                return as_json({})
            if request.path == "/login/token":
                return as_json(self.answer, 400 if "error" in self.answer else 200)
            return as_json(me)

        lab.answer = answer

    def approve(self, number: int = 1) -> None:
        self.answer = {
            "access_token": f"access{number}",
            "refresh_token": f"refresh{number}",
            "expires_in": 3600,
        }


@pytest.fixture
def lab() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.mark.parametrize("columns", [60, 80])
def test_a_terminal_shows_how_long_there_is_left(lab: StandIn, person: User, columns: int) -> None:
    desk = Desk(lab)
    window = person.window("login", lab.address, "--no-browser", columns=columns)
    window.until(f"Open   {lab.address}/login", "enter  BCDF-GHJK")
    window.until("Waiting  14:5", "left  Ctrl-C gives up")
    assert max(map(len, window.lines)) < columns
    desk.approve()
    window.until("Do you trust", "[y/N]")
    assert "Waiting" not in window.text
    window.type("y\n")
    assert window.end() == 0
    assert f"Logged in to {lab.address} as ada." in window.text.replace("\n", "")
    assert kept(person)["trusts_pickles"] is True


def test_ctrl_c_gives_up_and_leaves_the_terminal_as_it_was(lab: StandIn, person: User) -> None:
    Desk(lab)
    window = person.window("login", lab.address, "--no-browser")
    window.until("Waiting  1")
    window.interrupt()
    assert window.end() == 130
    assert window.raw.count("\x1b[?25l") == window.raw.count("\x1b[?25h")
    assert "Waiting" not in window.text


def test_a_login_that_is_not_kept_is_ended(lab: StandIn, person: User) -> None:
    desk = Desk(lab)
    desk.approve()
    window = person.window("login", lab.address, "--no-browser")
    window.until("Do you trust")
    window.interrupt()
    assert window.end() == 130
    assert [form.partition("&")[0] for form in desk.ended] == ["token=refresh1"]
    assert not (person.home / ".config/kotta/credentials.json").exists()


def test_the_next_login_ends_the_one_before(lab: StandIn, person: User) -> None:
    desk = Desk(lab)
    for number in (1, 2):
        desk.approve(number)
        assert person.quick("login", lab.address).code == 0
    assert [form.partition("&")[0] for form in desk.ended] == ["token=refresh1"]
    assert kept(person)["refresh_token"] == "refresh2"


def test_each_end_has_its_exit_code(lab: StandIn, person: User) -> None:
    desk = Desk(lab, interval=0.05, expires_in=0.2)
    done = person.quick("login", lab.address)
    assert done.code == 124
    assert "nobody finished the login in time" in done.err
    desk = Desk(lab, interval=0.05)
    desk.answer = {"error": "access_denied"}
    done = person.quick("login", lab.address)
    assert done.code == 4
    assert "refused in the browser" in done.err
    desk.begun["verification_uri"] = "file:///etc/passwd"
    done = person.quick("login", lab.address)
    assert done.code == 125
    assert "file:///" not in done.err


def test_with_json_the_code_is_told_on_stderr(lab: StandIn, person: User) -> None:
    Desk(lab).approve()
    done = person.quick("login", lab.address, "--json")
    assert done.json["user"] == "ada"
    assert done.err == f"Open   {lab.address}/login\nenter  BCDF-GHJK\n"


def test_a_browser_is_asked_where_there_is_a_screen(lab: StandIn, person: User) -> None:
    desk = Desk(lab)
    browser = person.home / "browser"
    browser.write_text('#!/bin/sh\necho noise; echo noise >&2\necho "$1" > "$HOME/opened"\n')
    browser.chmod(0o700)
    # what lies in the current directory is not what opens it
    (person.home / "webbrowser.py").write_text("raise SystemExit('planted')")
    screen = {"DISPLAY": ":0", "BROWSER": str(browser)}
    window = person.window("login", lab.address, "--no-trust-pickles", **screen)
    window.until("enter  BCDF-GHJK", "A browser has been asked to open it.")
    opened = person.home / "opened"
    wait_until(opened.exists)
    wait_until(lambda: opened.read_text() == f"{lab.address}/login?code=BCDF-GHJK\n")
    desk.approve()
    assert window.end() == 0
    assert "noise" not in window.text
    opened.unlink()
    for elsewhere in ({"SSH_TTY": "/dev/pts/1"}, {"DISPLAY": ""}):
        window = person.window(
            "login", lab.address, "--no-trust-pickles", **{**screen, **elsewhere}
        )
        assert window.end() == 0
        assert "A browser" not in window.text
    assert not opened.exists()


def test_a_pasted_token_is_not_shown(lab: StandIn, person: User) -> None:
    Desk(lab)
    window = person.window("login", lab.address, "--with-token", "--no-trust-pickles")
    window.until("Paste the token")
    window.type("kotta_t_canary\n")
    assert window.end() == 0
    assert "canary" not in window.raw
    assert kept(person)["access_token"] == "kotta_t_canary"


def test_words_that_are_no_numbers_are_refused(lab: StandIn, person: User) -> None:
    for words in (
        ("token", "create", "--expires", "²d"),
        ("token", "create", "--expires", "9" * 5000 + "d"),
        ("admin", "user", "limit", "ada", "queued=²"),
        ("admin", "user", "limit", "ada", "queued=" + "9" * 5000),
    ):
        assert person.quick("--server", lab.address, *words).code == 2
    assert lab.requests == []
    lab.replies(as_json({"tokens": []}))
    assert person.quick("--server", lab.address, "token", "revoke", "").code == 1


def double(number: int) -> int:
    return 2 * number


def a_set(number: int) -> set[int]:
    return {number}


def test_a_pickle_is_opened_from_a_service_that_is_trusted_with_it(
    enrolled: SharedService, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in person.environment.items():
        if name.startswith("XDG_") or name == "HOME":
            monkeypatch.setenv(name, value)
    log_in(person, enrolled)
    with Kotta() as konn:
        assert konn.server.address == enrolled.url
        assert not konn.trusts_pickles
        assert kottajob(konn, "Test", 5)(double)(21) == 42
        with pytest.raises(UntrustedPickleError) as caught:
            kottajob(konn, "Test", 5)(a_set)(1)
    assert "can run any code here" in caught.value.message
    assert "kotta login --trust-pickles" in caught.value.hint
    log_in(person, enrolled, "--trust-pickles")
    with Kotta() as konn:
        assert konn.trusts_pickles
        assert kottajob(konn, "Test", 5)(a_set)(1) == {1}
    # at another origin it counts for nothing
    with Kotta(server="https://another.example.org") as konn:
        assert not konn.trusts_pickles


LOOK = """env
tr '\\0' '\\n' < /proc/$PPID/cmdline
tr '\\0' '\\n' < /proc/$PPID/environ
find . -type f -exec cat {} +
"""
COMMANDS = (
    ("whoami",),
    ("token", "list"),
    ("submit", "--script", "look.sh", "--wait"),
    ("logs", "@last"),
    ("status", "@last", "--json"),
    ("doctor",),
    ("config", "list", "--show-origin"),
    ("list", "--fields", "nothing"),
    ("status", "nobody"),
    ("--server", "http://127.0.0.1:9", "list"),
    ("--server", "http://kotta.example.org", "list"),
)


@pytest.mark.slow
@pytest.mark.parametrize("is_given", [False, True])
def test_no_token_is_anywhere_but_where_it_is_kept(
    enrolled: SharedService, person: User, is_given: bool
) -> None:
    (person.home / "look.sh").write_text(LOOK)
    tokens = log_in(person, enrolled)
    secrets = [tokens["access_token"], tokens["refresh_token"]]
    environment = {"KOTTA_DEBUG": "1"}
    if is_given:
        secrets.append(enrolled.token("ada"))
        environment["KOTTA_TOKEN"] = secrets[-1]
    shown = []
    for words in COMMANDS:
        done = person.bytes_of(*words, **environment)
        shown.append((done.stdout + done.stderr).decode())
    assert "KOTTA_JOB_ID" in "".join(shown)
    assert "Traceback" in "".join(shown)
    with contextlib.closing(sqlite3.connect(enrolled.data / "kotta.db")) as database:
        shown.append("\n".join(database.iterdump()))
    shown.append(enrolled.log())
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            shown.append(path.read_bytes().decode(errors="replace"))
    for secret in secrets:
        # a signature alone would be enough to know it by
        for part in {secret, secret.rpartition(".")[2]}:
            assert not [text for text in shown if part in text]
