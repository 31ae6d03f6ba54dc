"""Logging in to a service and out again: what is checked, what is kept, which profile is made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from kotta import addresses, config, credential_store
from kotta.api import Api
from kotta.config import Server
from kotta.credential_store import Login
from kotta.credentials import Credentials
from kotta.errors import ConfigError, KottaError, UnavailableError
from kotta.models.accounts import WhoAmI
from kotta.oauth import OAuth, Tokens
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
    address = addresses.canonical(address)
    problem = addresses.problem(address)
    if problem or address.startswith("unix:"):
        words = problem or "is a socket: whoever reaches it needs no login"
        raise ConfigError(f"`{address}` {words}", hint="kotta login https://kotta.example.org")
    if not addresses.is_safe(address):
        raise ConfigError(
            f"`{address}` is not https: a token sent there could be read on its way",
            hint=f"kotta login https://{address.removeprefix('http://')}",
        )
    return address


def identify(address: str, credentials: Credentials) -> tuple[WhoAmI, Credentials]:
    """Who the service takes these tokens for, and the tokens, renewed if they had to be.

    Raises:
        LoginRequiredError: it does not know them.
    """
    server = Server(address, "argument")
    session = Session(address, credentials)
    api = Api(server, session=session)
    try:
        return api.whoami(), session.given or credentials
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
    who, credentials = identify(address, credentials)
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


def keep_new(
    address: str, tokens: Tokens, trusts_pickles: Callable[[], bool] = lambda: False
) -> LoggedIn:
    """Keeps a login that was just made, and ends the one that was kept there before.

    If it cannot be kept, or Ctrl-C comes in between, the new one is ended: nobody would use it.

    Args:
        trusts_pickles: asked whether the service is trusted with pickles.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        before = credential_store.find(address)
    except ConfigError:
        before = None  # what cannot be read is replaced
    try:
        kept = keep(
            address,
            Credentials(tokens.access_token, tokens.refresh_token),
            expires_in=tokens.expires_in,
            trusts_pickles=trusts_pickles(),
        )
    except BaseException:
        _give_back(address, tokens.refresh_token)
        raise
    # a token without one was made for scripts, and may be in use elsewhere
    if before is not None and before.refresh_token:
        _give_back(address, before.refresh_token)
    return kept


def end(address: str) -> bool:
    """Ends a login at the service, and forgets it here; whether there was one.

    The login is forgotten even if the service does not answer.

    Raises:
        KottaError: the service could not be told; its tokens count until they expire.
    """

    def tell(login: Login) -> None:
        OAuth(address).revoke(login.refresh_token or login.access_token)

    try:
        was_there = credential_store.forget(address, tell)
    except UnavailableError as error:
        _use_no_more(address)
        raise UnavailableError(
            f"the login is forgotten here, but not ended: {error.message}",
            hint="its access token counts for an hour at most",
        ) from error
    _use_no_more(address)
    return was_there


def _give_back(address: str, refresh_token: str) -> None:
    """Ends a login that is not needed, if the service can be told."""
    with contextlib.suppress(KottaError):
        OAuth(address).revoke(refresh_token)


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
