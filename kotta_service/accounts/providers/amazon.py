"""Login with Amazon: OAuth 2.0, with the audience of each token checked before it is believed.

Source: "Login with Amazon Developer Guide for Websites", authorization code grant, and "Obtain
customer profile information".
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from kotta_service.accounts.providers import Attempt, Identity, ProviderError, code_in
from kotta_service.accounts.providers.asking import ask
from kotta_service.login_settings import AmazonSettings

ISSUER = "https://www.amazon.com"


class AmazonProvider:
    """Login with Amazon."""

    def __init__(self, settings: AmazonSettings) -> None:
        self.settings = settings
        self.label = settings.label or "Amazon"

    async def authorize_url(self, attempt: Attempt) -> str:
        query = {
            "client_id": self.settings.client_id,
            "scope": "profile",
            "response_type": "code",
            "redirect_uri": attempt.redirect_uri,
            "state": attempt.state,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.settings.authorize_url}?{urlencode(query)}"

    async def identify(self, answer: Mapping[str, str], attempt: Attempt) -> Identity:
        form = {
            "grant_type": "authorization_code",
            "code": code_in(answer),
            "redirect_uri": attempt.redirect_uri,
            "client_id": self.settings.client_id,
            "client_secret": self.settings.secret(),
            "code_verifier": attempt.verifier,
        }
        token = (await ask(self.settings.token_url, form=form)).get("access_token")
        if not isinstance(token, str) or not token:
            raise ProviderError("it gave no token")
        # a token made for another site would say who its user is just as well
        about = await ask(self.settings.token_info_url, query={"access_token": token})
        if about.get("aud") != self.settings.client_id:
            raise ProviderError("its token was made for somebody else")
        headers = {"Authorization": f"Bearer {token}"}
        profile = await ask(self.settings.profile_url, headers=headers)
        subject = profile.get("user_id")
        if about.get("user_id", subject) != subject:
            raise ProviderError("its token speaks of somebody else than its profile")
        return Identity.told(
            ISSUER, subject, profile.get("email"), is_theirs=self.settings.trust_addresses
        )
