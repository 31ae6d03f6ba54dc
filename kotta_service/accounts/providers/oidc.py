"""Any provider of OpenID Connect, by its document of discovery: authorization code with PKCE."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

from kotta_service.accounts.providers import (
    Attempt,
    Identity,
    ProviderError,
    code_in,
)
from kotta_service.accounts.providers.asking import ask
from kotta_service.login_settings import OidcSettings, is_safe_url

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures with a key of the provider's alone; never `none`, nor a secret of both sides."""
METADATA_SECONDS = 3600
LEEWAY_SECONDS = 60


class OidcProvider:
    """A provider; what it publishes about itself is kept for a while."""

    def __init__(self, name: str, settings: OidcSettings) -> None:
        self.settings = settings
        self.label = settings.label or name
        self._about: dict[str, Any] = {}
        self._asked_at = 0.0
        self._keys: Any = None

    async def authorize_url(self, attempt: Attempt) -> str:
        about = await self._metadata()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = _text(about, "authorization_endpoint")
        if not is_safe_url(endpoint):
            raise ProviderError("it wants to be asked without encryption")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def identify(self, answer: Mapping[str, str], attempt: Attempt) -> Identity:
        about = await self._metadata()
        # Source: RFC 9207, 2.4: whose answer it is, against a mix-up of providers
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:
            raise ProviderError("the answer came from another provider")
        if about.get("authorization_response_iss_parameter_supported") and "iss" not in answer:
            raise ProviderError("the answer does not say which provider it came from")
        tokens = await self._redeem(code_in(answer), attempt, about)
        claims = await self._verified(_text(tokens, "id_token"), attempt, about)
        if "email" not in claims and isinstance(about.get("userinfo_endpoint"), str):
            claims = {**await self._userinfo(tokens, claims, about), **claims}
        said = claims.get("email_verified")
        return Identity.told(
            self.settings.issuer,
            claims["sub"],
            claims.get("email"),
            is_theirs=said is True or said == "true",  # some write the truth as text
        )

    async def _metadata(self) -> dict[str, Any]:
        if not self._about or time.monotonic() - self._asked_at > METADATA_SECONDS:
            issuer = self.settings.issuer
            found = await ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            # Source: OpenID Connect Discovery 1.0, 4.3: it must be the one that was asked
            if found.get("issuer") != issuer:
                raise ProviderError("it calls itself something else than [login.oidc] issuer")
            self._about, self._asked_at, self._keys = found, time.monotonic(), None
        return self._about

    async def _redeem(
        self, code: str, attempt: Attempt, about: Mapping[str, Any]
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {}
        secret = self.settings.secret()
        # Source: OpenID Connect Discovery 1.0, 3: client_secret_basic where nothing is said
        methods = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in methods:
            # Source: RFC 6749, 2.3.1: both are form-encoded first
            pair = f"{quote_plus(self.settings.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self.settings.client_id
            if secret:
                form["client_secret"] = secret
        return await ask(_text(about, "token_endpoint"), form=form, headers=headers)

    async def _verified(
        self, id_token: str, attempt: Attempt, about: Mapping[str, Any]
    ) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        try:
            if self._keys is None:
                self._keys = await _published_keys(about)
            try:
                found = jwt.decode(id_token, self._keys, algorithms=ALGORITHMS)
            except InvalidKeyIdError:
                # it has a new key since
                self._keys = await _published_keys(about)
                found = jwt.decode(id_token, self._keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, UnicodeError) as error:
            raise ProviderError(f"what it signed cannot be trusted ({type(error).__name__})") from (
                error
            )
        claims = dict(found.claims)
        if wrong := self._wrong_claim(claims, attempt):
            raise ProviderError(f"what it signed is not for this: `{wrong}` is wrong")
        return claims

    def _wrong_claim(self, claims: Mapping[str, Any], attempt: Attempt) -> str | None:
        """Source: OpenID Connect Core 1.0, 3.1.3.7."""
        now = time.time()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        client = self.settings.client_id
        nonce = claims.get("nonce")
        holds = {
            "iss": claims.get("iss") == self.settings.issuer,
            "aud": client in audiences,
            "azp": claims.get("azp", client) == client and (len(audiences) == 1 or "azp" in claims),
            "exp": _is_number(claims.get("exp")) and claims["exp"] > now - LEEWAY_SECONDS,
            "iat": _is_number(claims.get("iat")) and claims["iat"] < now + LEEWAY_SECONDS,
            "nonce": isinstance(nonce, str)
            and hmac.compare_digest(nonce.encode(), attempt.nonce.encode()),
            "sub": isinstance(claims.get("sub"), str),
        }
        return next((name for name, is_right in holds.items() if not is_right), None)

    async def _userinfo(
        self, tokens: Mapping[str, Any], claims: Mapping[str, Any], about: Mapping[str, Any]
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {_text(tokens, 'access_token')}"}
        found = await ask(_text(about, "userinfo_endpoint"), headers=headers)
        # Source: OpenID Connect Core 1.0, 5.3.2: else it speaks of somebody else
        if found.get("sub") != claims["sub"]:
            raise ProviderError("it speaks of somebody else than it signed for")
        return found


async def _published_keys(about: Mapping[str, Any]) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet, import_key

    found = (await ask(_text(about, "jwks_uri"))).get("keys")
    keys = []
    for each in found if isinstance(found, list) else []:
        is_for_signing = isinstance(each, dict) and each.get("use", "sig") == "sig"
        if not is_for_signing or each.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            keys.append(import_key(each))
        except (JoseError, ValueError, KeyError, TypeError):
            continue  # a kind of key that is not known here; others may do
    if not keys:
        raise ProviderError("it publishes no key that signatures could be checked with")
    return KeySet(keys)


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderError(f"it did not say `{name}`")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
