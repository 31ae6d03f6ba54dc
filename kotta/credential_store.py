"""Where logins are kept between commands: the system's keyring if there is one, else a file.

The file, `credentials.json` in the configuration directory, is made for this user alone (0600). It
names each service by its origin, and holds the tokens or says that the keyring does; so a command
asks the keyring only where there is something to get. Tokens go to the origin they came from, and
nowhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kotta import credentials, paths
from kotta.errors import ConfigError
from kotta.file_lock import locked

KEYRING, FILE = "keyring", "file"
PATIENCE_SECONDS = 120.0
"""So long a command waits for another that renews the same login."""
SPARE_BYTES = 16 << 10
"""How much more room there has to be than what is kept takes, before a login is renewed."""


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
    values = {each.name: entry[each.name] for each in fields(Login) if each.name in entry}
    if values.get("kept_in") == KEYRING:
        values |= _from_keyring(origin)
    if not _is_login(values):
        raise ConfigError(
            f"{file()}: what it holds for {origin} makes no sense", hint=f"kotta login {address}"
        )
    return Login(**values)


def keep(address: str, login: Login, *, use_keyring: bool = True) -> Login:
    """Keeps a login in place of the one that was there; the result says where it is kept.

    Raises:
        ConfigError: it cannot be written.
    """
    with alone(address):
        return _keep(address, login, use_keyring=use_keyring)


def renew(address: str, stale: str, ask: Callable[[Login], Login | None]) -> Login | None:
    """The login with fresh tokens, got by `ask`: once, however many programs want them at a time.

    Args:
        stale: the access token that no longer counts. If another is kept by now, it is the result.
        ask: gets fresh tokens for a login; None: there are none, and the login is over.

    Returns:
        None if there is no login (any more).

    Raises:
        ConfigError: fresh tokens could not be kept, so none were asked for.
    """
    with alone(address):
        login = find(address)
        if login is None or login.access_token != stale:
            return login
        _make_sure_of_room()
        fresh = ask(login)
        if fresh is None:
            _forget(address)
            return None
        return _keep(address, fresh, use_keyring=login.kept_in == KEYRING)


def forget(address: str, before: Callable[[Login], None] | None = None) -> bool:
    """Forgets a login; whether there was one.

    Args:
        before: told of the login first, while nobody else renews it. Whatever it raises is raised,
            and the login is forgotten all the same.

    Raises:
        ConfigError: it cannot be read or written.
    """
    with alone(address):
        if origin_of(address) not in _read():
            return False
        try:
            login = find(address)
            if before is not None and login is not None:
                before(login)
        finally:
            _forget(address)
        return True


def known() -> dict[str, str]:
    """User names by the origins at which there are logins."""
    return {origin: str(entry.get("user", "")) for origin, entry in _read().items()}


def file() -> Path:
    return paths.config_directory() / "credentials.json"


def alone(address: str) -> AbstractContextManager[None]:
    """Meanwhile no other program changes the login at this address."""
    # a name of its own for each, of which neither length nor letters matter
    return _locked(hashlib.sha256(origin_of(address).encode()).hexdigest()[:16])


def _keep(address: str, login: Login, *, use_keyring: bool) -> Login:
    origin = origin_of(address)
    kept_in = KEYRING if use_keyring and _to_keyring(origin, login) else FILE
    login = replace(login, kept_in=kept_in)
    entry = asdict(login)
    if kept_in == KEYRING:
        del entry["access_token"], entry["refresh_token"]
    _change(lambda entries: entries.__setitem__(origin, entry))
    return login


def _forget(address: str) -> None:
    origin = origin_of(address)
    if _read().get(origin, {}).get("kept_in") == KEYRING:
        from kotta import keyring_store

        keyring_store.remove(origin)
    _change(lambda entries: entries.pop(origin, None))


def _is_login(values: dict[str, Any]) -> bool:
    """Whether a file that anybody can edit holds what a login is."""
    expires_at = values.get("expires_at", 0.0)
    return (
        all(isinstance(values.get(name, ""), str) for name in ("user", "refresh_token", "kept_in"))
        and "user" in values
        and credentials.is_token(values.get("access_token"))
        and isinstance(expires_at, (int, float))
        and isinstance(values.get("trusts_pickles", False), bool)
    )


def _read() -> dict[str, dict[str, Any]]:
    path = file()
    found: Any
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"cannot read the logins in {path}: {error}", hint=f"remove {path} and log in again"
        ) from error
    is_fine = isinstance(found, dict) and all(isinstance(each, dict) for each in found.values())
    if not is_fine:
        raise ConfigError(f"{path} holds no logins", hint=f"remove {path} and log in again")
    return dict(found)


def _change(change: Callable[[dict[str, dict[str, Any]]], Any]) -> None:
    path = file()
    with _locked("file"), _told_plainly(path):
        entries = _read()
        change(entries)
        aside = _written(path, json.dumps(entries, indent=1).encode())
        os.replace(aside, path)
        _sync_folder(path.parent)


def _make_sure_of_room() -> None:
    """Asks the disk before the service: fresh tokens that cannot be kept would end the login."""
    path = file()
    with _locked("file"), _told_plainly(path):
        _written(path, bytes(path.stat().st_size + SPARE_BYTES)).unlink()


def _written(path: Path, content: bytes) -> Path:
    """A file with this content beside `path`, on disk; whoever calls this holds the lock on it."""
    # one name for all: what a killed program left behind is replaced, and never more than one
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    # made for this user alone from its first moment, and never seen half written
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(aside, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    return aside


def _sync_folder(folder: Path) -> None:
    """Makes a new name last through a loss of power, where the system can do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _told_plainly(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def _locked(what: str) -> Iterator[None]:
    folder = paths.config_directory()
    with contextlib.ExitStack() as stack:
        try:
            paths.make_private(folder)
            lock = locked(folder / f".credentials-{what}.lock", patience_seconds=PATIENCE_SECONDS)
            stack.enter_context(lock)
        except TimeoutError as error:
            raise ConfigError(
                f"{error} for minutes, and the login cannot be renewed meanwhile",
                hint="is a `kotta` stopped somewhere? look for it with: ps ax",
            ) from error
        except OSError as error:
            raise ConfigError(f"cannot write in {folder}: {error.strerror}") from error
        yield


def _to_keyring(origin: str, login: Login) -> bool:
    from kotta import keyring_store

    secret = {"access_token": login.access_token, "refresh_token": login.refresh_token}
    return keyring_store.put(origin, json.dumps(secret))


def _from_keyring(origin: str) -> dict[str, Any]:
    from kotta import keyring_store

    try:
        found = json.loads(keyring_store.get(origin) or "{}")
    except (ValueError, RecursionError):
        found = {}
    if not isinstance(found, dict) or "access_token" not in found:
        raise ConfigError(f"the keyring has no login for {origin} any more", hint="kotta login")
    return {name: found.get(name, "") for name in ("access_token", "refresh_token")}
