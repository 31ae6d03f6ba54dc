"""How users of a shared service say who they are: `[login]` of its settings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from kotta.errors import ConfigError

AMAZON = "amazon"
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,31}\Z")


class ProviderSettings(BaseModel):
    """What every provider of identities needs.

    Attributes:
        client_id: by which the provider knows this service.
        client_secret: the secret that goes with it, or
        client_secret_file: a file that holds it and nothing else.
        label: what the button says; by default the provider's name.
        create_users: who is known there and not here becomes a user.
        allowed_domains: whose addresses may become users so; `*` for any.
    """

    model_config = ConfigDict(extra="forbid")

    client_id: str = Field(min_length=1)
    client_secret: SecretStr = SecretStr("")
    client_secret_file: Path | None = None
    label: str = ""
    create_users: bool = False
    allowed_domains: list[str] = Field(default_factory=list)

    def secret(self) -> str:
        """The secret, from wherever it is; "" for none.

        Raises:
            ConfigError: its file cannot be read.
        """
        if self.client_secret_file is None:
            return self.client_secret.get_secret_value()
        try:
            return self.client_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"cannot read {self.client_secret_file}: {words}") from error

    def may_create(self, email: str) -> bool:
        """Whether who has this address, and is no user, may become one."""
        domain = email.rpartition("@")[2].lower()
        allowed = {each.lower().lstrip("@") for each in self.allowed_domains}
        return self.create_users and bool(domain) and (domain in allowed or "*" in allowed)


class OidcSettings(ProviderSettings):
    """A provider of OpenID Connect: `[login.oidc.NAME]`.

    Attributes:
        issuer: its address; all else is in the document of discovery below it.
        scopes: what is asked of it.
    """

    issuer: str
    scopes: list[str] = Field(default_factory=lambda: ["openid", "email", "profile"])


class AmazonSettings(ProviderSettings):
    """Login with Amazon: `[login.amazon]`.

    Attributes:
        trust_addresses: an address that Amazon names belongs to who logs in. Amazon does not say
            that it has checked; without this a user is linked by their invitation once.
        authorize_url, token_url, token_info_url, profile_url: Amazon's, unless for a test.
    """

    trust_addresses: bool = False
    authorize_url: str = "https://www.amazon.com/ap/oa"
    token_url: str = "https://api.amazon.com/auth/o2/token"
    token_info_url: str = "https://api.amazon.com/auth/o2/tokeninfo"
    profile_url: str = "https://api.amazon.com/user/profile"


class LoginSettings(BaseModel):
    """The ways to say who one is: `[login]`.

    Attributes:
        accounts: by name and password, chosen by an invitation.
        oidc: by a provider of OpenID Connect, by the name it has here.
        amazon: by Login with Amazon.
    """

    model_config = ConfigDict(extra="forbid")

    accounts: bool = True
    oidc: dict[str, OidcSettings] = Field(default_factory=dict)
    amazon: AmazonSettings | None = None


def is_safe_url(url: str) -> bool:
    """Whether nobody on the way reads what is sent there: https, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def problems(login: LoginSettings) -> Iterator[str]:
    """What has to be changed before users can log in, in sentences; nobody else is asked."""
    if not login.accounts and not login.oidc and login.amazon is None:
        yield "[login] leaves no way to log in: set accounts = true, or name a provider"
    for name, oidc in login.oidc.items():
        where = f"[login.oidc.{name}]"
        if not _NAME.match(name) or name == AMAZON:
            yield f"{where} cannot be a name: a-z, 0-9 and `-`, and not `{AMAZON}`"
        if not is_safe_url(oidc.issuer) or "?" in oidc.issuer:
            yield f"{where} issuer = {oidc.issuer!r} is no address like https://id.example.org"
        if "openid" not in oidc.scopes:
            yield f"{where} scopes lack `openid`"
        yield from _provider_problems(where, oidc)
    if login.amazon is not None:
        for name in ("authorize_url", "token_url", "token_info_url", "profile_url"):
            if not is_safe_url(url := getattr(login.amazon, name)):
                yield f"[login.amazon] {name} = {url!r} is not https"
        if not login.amazon.client_secret_file and not login.amazon.secret():
            yield "[login.amazon] client_secret or client_secret_file is missing"
        yield from _provider_problems("[login.amazon]", login.amazon)


def _provider_problems(where: str, provider: ProviderSettings) -> Iterator[str]:
    if provider.client_secret_file is not None and provider.client_secret.get_secret_value():
        yield f"{where} has client_secret and client_secret_file: one of them is enough"
    try:
        if provider.client_secret_file is not None and not provider.secret():
            yield f"{where} client_secret_file is empty"
    except ConfigError as error:
        yield f"{where} client_secret_file: {error.message}"
    if provider.create_users and not provider.allowed_domains:
        yield (
            f"{where} create_users lets everybody in whom the provider knows: say whom by "
            'allowed_domains, ["*"] for all'
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
