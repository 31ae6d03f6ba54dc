"""Logins on disk and in the keyring: whole, for their owner alone, whatever happens meanwhile."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend

from kotta import credential_store, keyring_store
from kotta.credential_store import Login
from kotta.errors import ConfigError

LAB = "https://kotta.example.org"
LOGIN = Login("ada", "kotta-access", "kotta-refresh", 1e10)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """Whatever keyring this machine has is left alone."""
    from keyring.backends.fail import Keyring

    # asked which it would take, it would take the one below, and go on to in other tests
    keyring.set_keyring(Keyring())
    yield
    keyring.set_keyring(Keyring())


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_login_is_for_its_owner_alone_whatever_the_umask(umask: int) -> None:
    before = os.umask(umask)
    try:
        assert credential_store.keep(LAB, LOGIN).kept_in == "file"
    finally:
        os.umask(before)
    folder = credential_store.file().parent
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert credential_store.find(LAB) == LOGIN


def test_a_login_belongs_to_scheme_host_and_port() -> None:
    credential_store.keep(LAB, LOGIN)
    for same in (f"{LAB}/", f"{LAB}:443", "https://KOTTA.example.org/elsewhere"):
        assert credential_store.find(same) == LOGIN
    for other in (
        "http://kotta.example.org",
        "http://kotta.example.org:443",
        f"{LAB}:444",
        f"{LAB}.evil.example",
        "https://evil.example/https://kotta.example.org",
        "https://example.org",
    ):
        assert credential_store.find(other) is None


def test_neither_a_login_nor_what_is_wrong_with_it_shows_its_tokens() -> None:
    assert "kotta-" not in repr(LOGIN)
    credential_store.keep(LAB, LOGIN)
    path = credential_store.file()
    path.write_text(path.read_text().replace('"kotta-refresh"', "7"))
    with pytest.raises(ConfigError, match="makes no sense") as caught:
        credential_store.find(LAB)
    assert "kotta-access" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"a": 1}', "[" * 100_000, "\0", '{"https://kotta.example.org:443": {}}'],
)
def test_a_file_that_makes_no_sense_is_an_error_that_names_it(content: str) -> None:
    path = credential_store.file()
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"credentials\.json"):
        credential_store.find(LAB)


def test_what_a_newer_version_has_added_is_left_out() -> None:
    credential_store.keep(LAB, LOGIN)
    path = credential_store.file()
    entries = json.loads(path.read_text())
    entries[f"{LAB}:443"]["more"] = True
    path.write_text(json.dumps(entries))
    assert credential_store.find(LAB) == LOGIN


def test_a_full_disk_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    credential_store.keep(LAB, LOGIN)
    asked: list[Login] = []

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def ask(login: Login) -> None:
        asked.append(login)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match="No space left on device"):
            credential_store.keep(LAB, replace(LOGIN, user="bob"))
        with pytest.raises(ConfigError, match="No space left on device"):
            credential_store.renew(LAB, LOGIN.access_token, ask)
    # tokens that cannot be kept are not asked for: the old ones would be used twice
    assert asked == []
    assert credential_store.find(LAB) == LOGIN
    assert not list(credential_store.file().parent.glob("*.new"))


def test_a_home_that_cannot_be_written_is_an_error_that_names_it(home: Path) -> None:
    (home / "config").write_text("a file, where a folder should be")
    with pytest.raises(ConfigError, match="cannot write in"):
        credential_store.keep(LAB, LOGIN)


def test_a_linked_folder_is_used_and_a_linked_file_replaced(home: Path) -> None:
    (home / "elsewhere").mkdir(mode=0o700)
    (home / "config").mkdir()
    (home / "config/kotta").symlink_to(home / "elsewhere")
    (home / "target").write_text("untouched")
    (home / "elsewhere/.credentials.json.new").symlink_to(home / "target")
    credential_store.keep(LAB, LOGIN)
    assert mode(home / "elsewhere/credentials.json") == 0o600
    assert (home / "target").read_text() == "untouched"
    (home / "elsewhere/credentials.json").rename(home / "moved")
    (home / "elsewhere/credentials.json").symlink_to(home / "moved")
    credential_store.keep(LAB, replace(LOGIN, user="bob"))
    assert not (home / "elsewhere/credentials.json").is_symlink()


def test_of_many_who_want_fresh_tokens_one_gets_them_for_all() -> None:
    credential_store.keep(LAB, LOGIN)
    asked: list[Login] = []
    found: list[Login | None] = []

    def ask(login: Login) -> Login:
        asked.append(login)
        return replace(login, access_token="fresh")

    def want() -> None:
        found.append(credential_store.renew(LAB, LOGIN.access_token, ask))

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert {login and login.access_token for login in found} == {"fresh"}


def test_who_holds_the_lock_for_too_long_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credential_store, "PATIENCE_SECONDS", 0.05)
    credential_store.keep(LAB, LOGIN)
    with credential_store.alone(LAB), pytest.raises(ConfigError, match="another program holds"):
        credential_store.renew(LAB, LOGIN.access_token, lambda login: login)
    with credential_store.alone("https://another.example.org"):
        assert credential_store.renew(LAB, LOGIN.access_token, lambda login: login)


def test_a_login_is_forgotten_even_if_the_service_cannot_be_told() -> None:
    credential_store.keep(LAB, LOGIN)

    def tell(login: Login) -> None:
        raise ConfigError("it is away")

    with pytest.raises(ConfigError, match="it is away"):
        credential_store.forget(LAB, tell)
    assert credential_store.find(LAB) is None
    assert credential_store.forget(LAB) is False


KILLED = """
import os, random, signal, stat, sys, time
from dataclasses import replace
from kotta import credential_store as store
from kotta.credential_store import Login
LAB, OTHER = "https://a.example", "https://b.example"
store.keep(OTHER, Login("bob", "bobs", "", 1.0), use_keyring=False)
def loop():
    number = 0
    store.keep(LAB, Login("ada", "t0", "r", 0.0), use_keyring=False)
    while True:
        number += 1
        now = store.find(LAB).access_token
        fresh = Login("ada", f"t{number}" + "x" * random.randrange(2000), "r" * 50, 0.0)
        store.renew(LAB, now, lambda login: fresh)
        store.keep(f"https://{number % 9}.example", fresh, use_keyring=False)
        store.forget(f"https://{number % 7}.example")
random.seed(int(sys.argv[2]))
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        try:
            loop()
        finally:
            os._exit(3)
    time.sleep(random.random() * 0.02)
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it ended by itself"
    assert store.find(OTHER).access_token == "bobs"
    login = store.find(LAB)
    assert login is None or login.access_token[0] == "t", login
    folder = store.file().parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = sorted(path.name for path in folder.iterdir())
    assert len([name for name in names if not name.endswith(".lock")]) <= 2, names
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
store.keep(OTHER, Login("bob", "bobs", "", 1.0), use_keyring=False)
assert not list(folder.glob("*.new"))
"""


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_no_kill_at_any_moment_tears_a_file(home: Path, umask: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "150", str(umask)],
        capture_output=True,
        text=True,
        umask=umask,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


class _Ring(KeyringBackend):
    priority = 5  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring() -> _Ring:
    made = _Ring()
    keyring.set_keyring(made)
    return made


def test_a_keyring_that_works_keeps_the_tokens(ring: _Ring) -> None:
    assert credential_store.keep(LAB, LOGIN).kept_in == "keyring"
    assert "kotta-" not in credential_store.file().read_text()
    assert list(ring.kept) == [("kotta", f"{LAB}:443")]
    found = credential_store.find(LAB)
    assert found == replace(LOGIN, kept_in="keyring")
    fresh = replace(LOGIN, access_token="fresh")
    assert credential_store.renew(LAB, LOGIN.access_token, lambda login: fresh)
    assert "fresh" in ring.kept["kotta", f"{LAB}:443"]
    assert "fresh" not in credential_store.file().read_text()
    assert credential_store.forget(LAB)
    assert ring.kept == {}


def test_a_keyring_that_does_not_give_back_is_done_without(ring: _Ring) -> None:
    ring.set_password = lambda *_: None  # type: ignore[method-assign]
    assert credential_store.keep(LAB, LOGIN).kept_in == "file"
    assert credential_store.find(LAB) == LOGIN


class _LockedError(Exception):
    pass


def _locked(*_: Any) -> Any:
    raise _LockedError("the collection is locked")


def test_a_locked_keyring_is_a_plain_error_and_can_be_left(ring: _Ring) -> None:
    credential_store.keep(LAB, LOGIN)
    ring.get_password = _locked  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="the collection is locked") as caught:
        credential_store.find(LAB)
    assert "kotta login" in caught.value.hint
    # a new login goes to the file then
    assert credential_store.keep(LAB, LOGIN).kept_in == "file"
    assert credential_store.find(LAB) == LOGIN


def test_a_keyring_that_forgot_is_an_error_that_says_so(ring: _Ring) -> None:
    credential_store.keep(LAB, LOGIN)
    for kept in (None, "no json", "[]", "{}", "[" * 100_000):
        ring.get_password = lambda *_, kept=kept: kept  # type: ignore[method-assign,misc]
        with pytest.raises(ConfigError, match="no login for"):
            credential_store.find(LAB)


def test_a_keyring_that_does_not_answer_is_not_waited_for(
    ring: _Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential_store.keep(LAB, LOGIN)
    monkeypatch.setattr(keyring_store, "PATIENCE_SECONDS", 0.1)
    over = threading.Event()

    def silent(*_: Any) -> Any:
        over.wait()

    ring.get_password = ring.set_password = ring.delete_password = silent  # type: ignore[method-assign]
    try:
        with pytest.raises(ConfigError, match="does not answer"):
            credential_store.find(LAB)
        with pytest.raises(ConfigError, match="does not answer"):
            credential_store.forget(LAB)
        assert credential_store.keep(LAB, LOGIN).kept_in == "file"
    finally:
        over.set()


def test_a_login_in_a_file_needs_no_keyring_imported() -> None:
    credential_store.keep("http://127.0.0.1:9", LOGIN)
    code = (
        "import sys\nfrom kotta_cli.main import main\n"
        "assert main(['--server', 'http://127.0.0.1:9', 'list']) == 1\n"
        "sys.exit('keyring' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "no answer from http://127.0.0.1:9" in done.stderr
