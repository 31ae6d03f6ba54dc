"""Providers of identities: who somebody is by the word of another service that they log in to.

::

    the page ──▶ authorize_url ──▶ the provider, which asks them ──▶ back with a code
             ──▶ identify(code) ──▶ Identity ──▶ a user (`kotta_service.accounts.identities`)
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from kotta_service.login_settings import AMAZON, LoginSettings, ProviderSettings

MAX_SUBJECT = 255
MAX_EMAIL = 320


class ProviderError(Exception):
    """A provider did not say who somebody is; the words are for the log and for that person."""


@dataclass(frozen=True)
class Identity:
    """Who somebody is at a provider.

    Attributes:
        provider: the issuer, the same for ever.
        subject: the name it knows them by, never given to somebody else.
        email: "" if it did not say.
        is_email_theirs: whether the provider has made sure that they read mail there.
    """

    provider: str
    subject: str
    email: str
    is_email_theirs: bool

    @classmethod
    def told(cls, provider: str, subject: object, email: object, *, is_theirs: bool) -> Identity:
        """An identity of what a provider said, which may be anything.

        Raises:
            ProviderError: it did not say who somebody is.
        """
        # Source: OpenID Connect Core 1.0, 2: `sub` is at most 255 characters of ASCII
        is_name = isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT
        if not is_name or not str(subject).isascii() or not str(subject).isprintable():
            raise ProviderError("it did not say who you are")
        email = email.strip().lower() if isinstance(email, str) else ""
        is_text = email.isprintable() and len(email) <= MAX_EMAIL
        return cls(provider, str(subject), email if is_text else "", is_theirs)


@dataclass(frozen=True)
class Attempt:
    """What ties an answer of a provider to the browser that was sent there.

    Attributes:
        redirect_uri: where the provider sends them back to.
        state: comes back with them.
        nonce: comes back inside what is signed.
        verifier: shows that who redeems the code is who asked for it (PKCE, RFC 7636).
    """

    redirect_uri: str
    state: str
    nonce: str
    verifier: str

    @classmethod
    def make(cls, redirect_uri: str) -> Attempt:
        return cls(redirect_uri, *(secrets.token_urlsafe(32) for _ in range(3)))

    @property
    def challenge(self) -> str:
        """Source: RFC 7636, 4.2: S256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Provider(Protocol):
    """One way to say who one is."""

    label: str

    @property
    def settings(self) -> ProviderSettings: ...

    async def authorize_url(self, attempt: Attempt) -> str:
        """Where to send a browser.

        Raises:
            ProviderError: the provider cannot be asked.
        """

    async def identify(self, answer: Mapping[str, str], attempt: Attempt) -> Identity:
        """Who came back.

        Args:
            answer: the query that they came back with, whose `state` has been compared.

        Raises:
            ProviderError: the provider did not say, or what it says does not hold.
        """


def configured(login: LoginSettings) -> dict[str, Provider]:
    """The providers of the settings, by the names they have here."""
    from kotta_service.accounts.providers.amazon import AmazonProvider
    from kotta_service.accounts.providers.oidc import OidcProvider

    found: dict[str, Provider] = {
        name: OidcProvider(name, settings) for name, settings in login.oidc.items()
    }
    if login.amazon is not None:
        found[AMAZON] = AmazonProvider(login.amazon)
    return found


def code_in(answer: Mapping[str, str]) -> str:
    """The code that somebody came back with.

    Raises:
        ProviderError: they came back with an error, or with nothing.
    """
    if answer.get("error") == "access_denied":
        raise ProviderError("you did not agree to be known here")
    if error := answer.get("error"):
        raise ProviderError(f"it answered `{plain(error)}`")
    if not (code := answer.get("code")):
        raise ProviderError("it sent nothing that could be redeemed")
    return code


def plain(value: object) -> str:
    """What a provider says, short and without characters that no page or log should hold."""
    return "".join(letter for letter in str(value) if letter.isprintable())[:100]
