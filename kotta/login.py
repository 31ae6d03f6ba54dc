"""Logging in to a service and out again: what is checked, what is kept, which profile is made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from kotta import addresses, config, credential_store
from kotta.api import Api
from kotta.config import Server
from kotta.credential_store import Login
from kotta.credentials import Credentials
from kotta.errors import ConfigError, KottaError
from kotta.models.accounts import WhoAmI
from kotta.oauth import OAuth
from kotta.session import Session

UNKNOWN_SECONDS = 3600.0
"""How long an access token that does not say so is taken to count before it is renewed."""


@dataclass(frozen=True)
class LoggedIn:
    """What became of a login.

    Attributes:
        profile: the profile that commands use from now on.
        kept_in: `keyring` or `file`.
    """

    server: str
    user: str
    profile: str
    kept_in: str


def checked(address: str) -> str:
    """The address of a service that one can log in to.

    Raises:
        ConfigError: it is none, or a token would be sent to it in the clear.
    """
    if "://" not in address and not address.startswith("unix:"):
        address = f"https://{address}"
    problem = addresses.problem(address)
    if problem or not address.startswith(("http://", "https://")):
        words = problem or "is a socket: whoever reaches it needs no login"
        raise ConfigError(f"`{address}` {words}", hint="kotta login https://kotta.example.org")
    if not addresses.is_safe(address):
        raise ConfigError(
            f"`{address}` is not https: a token sent there could be read on its way",
            hint=f"kotta login https://{address.removeprefix('http://')}",
        )
    return address.rstrip("/")


def identify(address: str, credentials: Credentials) -> WhoAmI:
    """Who the service takes these tokens for.

    Raises:
        LoginRequiredError: it does not know them.
    """
    server = Server(address, "argument")
    api = Api(server, session=Session(address, credentials))
    try:
        return api.whoami()
    finally:
        api.close()


def keep(
    address: str,
    credentials: Credentials,
    *,
    expires_in: float | None = None,
    trusts_pickles: bool = False,
) -> LoggedIn:
    """Keeps a login whose tokens the service knows, and makes its profile the one in use.

    Args:
        expires_in: seconds until the access token does.

    Raises:
        LoginRequiredError: the service does not know them; nothing was kept.
        ConfigError: it cannot be written.
    """
    who = identify(address, credentials)
    login = credential_store.keep(
        address,
        Login(
            user=who.name,
            access_token=credentials.access_token,
            refresh_token=credentials.refresh_token,
            expires_at=time.time() + (UNKNOWN_SECONDS if expires_in is None else expires_in),
            trusts_pickles=trusts_pickles,
        ),
    )
    return LoggedIn(address, who.name, _use(address), login.kept_in)


def end(address: str) -> bool:
    """Ends a login at the service, and forgets it here; whether there was one.

    The login is forgotten even if the service does not answer.

    Raises:
        KottaError: the service could not be told; its tokens count until they expire.
    """
    login = credential_store.find(address)
    if login is None:
        return False
    problem: KottaError | None = None
    try:
        OAuth(address).revoke(login.refresh_token or login.access_token)
    except KottaError as error:
        problem = error
    credential_store.forget(address)
    _use_no_more(address)
    if problem is not None:
        raise problem
    return True


def _use(address: str) -> str:
    """Makes a profile for the service, if there is none, and the one in use; its name."""
    from kotta.config_writing import set_value

    path = config.config_file()
    profiles = config.Config().profiles
    name = next((name for name, server in profiles.items() if server == address), None)
    if name is None:
        name = _free_name(urlsplit(address).hostname or "server", set(profiles))
        set_value(path, f"profiles.{name}.server", address)
    set_value(path, "profile", name)
    return name


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _use_no_more(address: str) -> None:
    from kotta.config_writing import unset_value

    settings = config.Config()
    user = settings.user
    name = user.values.get(("profile",)) if user is not None else None
    if name and settings.profiles.get(name) == address:
        unset_value(config.config_file(), "profile")
