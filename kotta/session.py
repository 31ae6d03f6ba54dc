"""By whose token a connection speaks, and how it is renewed when it is about to expire.

In this order: what `Kotta(creds)` was given, the environment's KOTTA_TOKEN, the login that is kept
for the service. A Unix socket is asked for no token and gets none.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from kotta import addresses
from kotta.errors import ConfigError, LoginRequiredError, RequestError, UnavailableError

if TYPE_CHECKING:
    from kotta.credential_store import Login
    from kotta.credentials import Credentials

EARLY_SECONDS = 60.0
"""So long before it expires an access token is renewed."""


class Session:
    """The tokens of one connection, for several threads.

    Args:
        address: of the service; "" or a Unix socket's: no token is needed.
        credentials: tokens that were given, kept in memory alone; None: those that are found.
    """

    def __init__(self, address: str, credentials: Credentials | None = None) -> None:
        self._address = address
        self._given = credentials
        self._needs_token = bool(address) and not address.startswith("unix:")
        self._lock = threading.Lock()
        self._login: Login | None = None

    @property
    def given(self) -> Credentials | None:
        """The tokens that were given, or those that they were renewed to."""
        return self._given

    def token(self) -> str | None:
        """The token to send, None if there is none; renewed if it is about to expire.

        Raises:
            LoginRequiredError: the login has ended.
            RequestError: a token would be sent in the clear.
        """
        if not self._needs_token:
            return None
        if self._given is not None:
            return self._safely(self._given.access_token)
        if token := os.environ.get("KOTTA_TOKEN"):
            return self._safely(_checked(token))
        with self._lock:
            login = self._found()
            if login is None:
                return None
            # twice: another program may have renewed it long ago
            for _ in range(2):
                if login.refresh_token and login.expires_at - EARLY_SECONDS < time.time():
                    login = self._renewed_if_possible(login)
            return self._safely(login.access_token)

    def renew(self, stale: str) -> bool:
        """Gets another token in place of one that was refused; whether there is one.

        Raises:
            LoginRequiredError: the login has ended.
        """
        if self._given is not None:
            return self._renew_given(stale)
        if os.environ.get("KOTTA_TOKEN"):
            return False
        with self._lock:
            login = self._found()
            if login is None or not login.refresh_token:
                return False
            return self._renewed(stale).access_token != stale

    @property
    def trusts_pickles(self) -> bool:
        """Whether the user said at login that results of this service are opened as pickles."""
        with self._lock:
            login = self._found() if self._needs_token else None
        return login is not None and login.trusts_pickles

    def _found(self) -> Login | None:
        # where none was found, the user may have logged in meanwhile
        if self._login is None:
            from kotta import credential_store

            self._login = credential_store.find(self._address)
        return self._login

    def _renewed_if_possible(self, login: Login) -> Login:
        try:
            return self._renewed(login.access_token)
        except (UnavailableError, ConfigError):
            # it may do for another while; if it does not, the service says so
            if login.expires_at < time.time():
                raise
        return login

    def _renewed(self, stale: str) -> Login:
        from kotta import credential_store

        if not addresses.is_safe(self._address):
            raise self._unsafe()
        self._login = credential_store.renew(self._address, stale, self._ask)
        if self._login is None:
            raise LoginRequiredError(
                f"your login at {self._address} has ended", hint=f"kotta login {self._address}"
            )
        return self._login

    def _ask(self, login: Login) -> Login | None:
        from kotta.oauth import OAuth

        tokens = OAuth(self._address).renew(login.refresh_token)
        if tokens is None:
            return None
        return replace(
            login,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token or login.refresh_token,
            expires_at=time.time() + tokens.expires_in,
        )

    def _renew_given(self, stale: str) -> bool:
        from kotta.credentials import Credentials
        from kotta.oauth import OAuth

        with self._lock:
            given = self._given
            if given is None or given.access_token != stale:
                return True  # another thread was first
            tokens = (
                OAuth(self._address).renew(given.refresh_token) if given.refresh_token else None
            )
            if tokens is None:
                return False
            self._given = Credentials(tokens.access_token, tokens.refresh_token)
            return True

    def _safely(self, token: str) -> str:
        if not addresses.is_safe(self._address):
            raise self._unsafe()
        return token

    def _unsafe(self) -> RequestError:
        return RequestError(
            f"{self._address} is not https: a token sent there could be read on its way",
            hint="use https://",
        )


def _checked(token: str) -> str:
    """The token in the environment, without the blanks that files leave around it.

    Raises:
        ConfigError: it can be none; what it is, is not repeated.
    """
    from kotta.credentials import is_token

    token = token.strip()
    if not is_token(token):
        raise ConfigError(
            "KOTTA_TOKEN holds what can be no token", hint="kotta token create prints one"
        )
    return token
