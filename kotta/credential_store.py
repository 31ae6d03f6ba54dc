"""Where logins are kept between commands: the system's keyring if there is one, else a file.

The file, `credentials.json` in the configuration directory, is made for this user alone (0600). It
names each service by its origin, and holds the tokens or says that the keyring does; so a command
asks the keyring only where there is something to get. Tokens go to the origin they came from, and
nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kotta import paths
from kotta.errors import ConfigError
from kotta.file_lock import locked

KEYRING, FILE = "keyring", "file"
_SERVICE = "kotta"


@dataclass(frozen=True)
class Login:
    """A login at one service; its representation does not show the tokens.

    Attributes:
        user: the user's name there.
        expires_at: when the access token does, seconds since 1970.
        trusts_pickles: whether results that are pickles are opened; see docs/functions.md.
        kept_in: `keyring` or `file`.
    """

    user: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False, default="")
    expires_at: float = 0.0
    trusts_pickles: bool = False
    kept_in: str = FILE


def origin_of(address: str) -> str:
    """Scheme, host and port of an address: what tokens are bound to."""
    parts = urlsplit(address)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def find(address: str) -> Login | None:
    """The login at the service of this address, None if there is none.

    Raises:
        ConfigError: what is kept cannot be read.
    """
    origin = origin_of(address)
    entry = _read().get(origin)
    if entry is None:
        return None
    values = dict(entry)
    if values.get("kept_in") == KEYRING:
        values |= _from_keyring(origin)
    try:
        return Login(**values)
    except TypeError as error:
        raise ConfigError(
            f"{file()}: what it holds for {origin} makes no sense", hint=f"kotta login {address}"
        ) from error


def keep(address: str, login: Login, *, use_keyring: bool = True) -> Login:
    """Keeps a login in place of the one that was there; the result says where it is kept.

    Raises:
        ConfigError: it cannot be written.
    """
    origin = origin_of(address)
    kept_in = KEYRING if use_keyring and _to_keyring(origin, login) else FILE
    login = replace(login, kept_in=kept_in)
    entry = asdict(login)
    if kept_in == KEYRING:
        del entry["access_token"], entry["refresh_token"]
    _change(lambda entries: entries.__setitem__(origin, entry))
    return login


def renew(address: str, stale: str, ask: Callable[[Login], Login | None]) -> Login | None:
    """The login with fresh tokens, got by `ask`: once, however many programs want them at a time.

    Args:
        stale: the access token that no longer counts. If another is kept by now, it is the result.
        ask: gets fresh tokens for a login; None: there are none, and the login is over.

    Returns:
        None if there is no login (any more).
    """
    origin = origin_of(address)
    with _alone(origin):
        login = find(address)
        if login is None or login.access_token != stale:
            return login
        fresh = ask(login)
        if fresh is None:
            forget(address)
            return None
        return keep(address, fresh, use_keyring=login.kept_in == KEYRING)


def forget(address: str) -> bool:
    """Forgets a login; whether there was one.

    Raises:
        ConfigError: it cannot be written.
    """
    origin = origin_of(address)
    entry = _read().get(origin)
    if entry is None:
        return False
    if entry.get("kept_in") == KEYRING:
        with contextlib.suppress(Exception):  # what a keyring raises is its own affair
            _keyring().delete_password(_SERVICE, origin)
    _change(lambda entries: entries.pop(origin, None))
    return True


def known() -> dict[str, str]:
    """User names by the origins at which there are logins."""
    return {origin: str(entry.get("user", "")) for origin, entry in _read().items()}


def file() -> Path:
    return paths.config_directory() / "credentials.json"


def _read() -> dict[str, dict[str, Any]]:
    path = file()
    found: Any
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read the logins in {path}: {error}", hint=f"remove {path} and log in again"
        ) from error
    is_fine = isinstance(found, dict) and all(isinstance(each, dict) for each in found.values())
    if not is_fine:
        raise ConfigError(f"{path} holds no logins", hint=f"remove {path} and log in again")
    return dict(found)


def _change(change: Callable[[dict[str, dict[str, Any]]], Any]) -> None:
    path = file()
    with _alone("file"):
        entries = _read()
        change(entries)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            # made for this user alone from its first moment, and never seen half written
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
            descriptor = os.open(aside, flags, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                json.dump(entries, opened, indent=1)
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(aside, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def _alone(what: str) -> Any:
    folder = paths.config_directory()
    name = "".join(char if char.isalnum() else "-" for char in what)
    try:
        paths.make_private(folder)
        lock = locked(folder / f".credentials-{name}.lock")
        lock.__enter__()
    except OSError as error:
        raise ConfigError(f"cannot write in {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _keyring() -> Any:
    import keyring

    return keyring


def _to_keyring(origin: str, login: Login) -> bool:
    """Whether there is a keyring, and it took the tokens and gives them back."""
    secret = json.dumps({"access_token": login.access_token, "refresh_token": login.refresh_token})
    try:
        ring = _keyring()
        if ring.get_keyring().priority < 1:
            return False
        ring.set_password(_SERVICE, origin, secret)
        return bool(ring.get_password(_SERVICE, origin) == secret)
    except Exception:  # what a keyring raises is its own affair, and the file is always there
        return False


def _from_keyring(origin: str) -> dict[str, str]:
    try:
        found = json.loads(_keyring().get_password(_SERVICE, origin) or "{}")
    except Exception as error:
        raise ConfigError(
            f"the keyring does not give the login for {origin}: {error}",
            hint="unlock it, or log in again: kotta login",
        ) from error
    if "access_token" not in found:
        raise ConfigError(f"the keyring has no login for {origin} any more", hint="kotta login")
    return {name: str(value) for name, value in found.items()}
