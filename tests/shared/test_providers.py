"""Providers of identities that err or lie: whatever they say, nobody becomes somebody else."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from stand_in_site import Asked, Site

from kotta_service.accounts.providers import Attempt, Identity, ProviderError, asking
from kotta_service.accounts.providers.amazon import AmazonProvider
from kotta_service.accounts.providers.oidc import OidcProvider
from kotta_service.login_settings import AmazonSettings, OidcSettings, problems
from kotta_service.settings import load_settings

_RSA = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
ATTEMPT = Attempt("https://kotta.lab/login/from/lab", "the state", "the nonce", "the verifier")


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


class Issuer:
    """A provider of OpenID Connect that says what a test wants."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.key: Any = _RSA
        self.published: list[Any] = [self.key]
        self.algorithm = "RS256"
        self.claims: dict[str, Any] = {
            "iss": site.url,
            "aud": "kotta",
            "sub": "248289761001",
            "exp": time.time() + 300,
            "iat": time.time(),
            "nonce": ATTEMPT.nonce,
            "email": "Ada@Example.org",
            "email_verified": True,
        }
        self.about: dict[str, Any] = {
            "issuer": site.url,
            "authorization_endpoint": f"{site.url}/authorize?tenant=1",
            "token_endpoint": f"{site.url}/token",
            "jwks_uri": f"{site.url}/keys",
            "userinfo_endpoint": f"{site.url}/userinfo",
        }
        self.userinfo: dict[str, Any] = {}
        site.answers = {
            "/.well-known/openid-configuration": lambda _: self.about,
            "/token": self._token,
            "/keys": lambda _: {"keys": [key.as_dict(private=False) for key in self.published]},
            "/userinfo": lambda _: self.userinfo,
        }
        self.provider = OidcProvider(
            "lab", OidcSettings(issuer=site.url, client_id="kotta", client_secret="s:e c+ret")
        )

    def sign(self) -> str:
        header = {"alg": self.algorithm, "kid": self.key.kid}
        return jwt.encode(header, self.claims, self.key, algorithms=[self.algorithm])

    def identify(self, **answer: str) -> Identity:
        return asyncio.run(self.provider.identify({"code": "c", **answer}, ATTEMPT))

    def _token(self, asked: Asked) -> dict[str, Any]:
        return {"access_token": "at", "token_type": "Bearer", "id_token": self.sign()}


@pytest.fixture
def issuer(site: Site) -> Issuer:
    return Issuer(site)


def test_an_identity_is_what_was_signed(issuer: Issuer) -> None:
    found = issuer.identify(iss=issuer.site.url)
    assert found == Identity(issuer.site.url, "248289761001", "ada@example.org", True)
    ((_, asked),) = [each for each in issuer.site.asked if each[0] == "/token"]
    assert asked["authorization"] == "Basic a290dGE6cyUzQWUrYyUyQnJldA=="
    assert (asked["code"], asked["code_verifier"]) == ("c", "the verifier")
    assert asked["redirect_uri"] == ATTEMPT.redirect_uri
    assert "client_secret" not in asked


def test_a_browser_is_sent_with_what_ties_the_answer_to_it(issuer: Issuer) -> None:
    url = asyncio.run(issuer.provider.authorize_url(ATTEMPT))
    query = {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
    assert query == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "kotta",
        "redirect_uri": ATTEMPT.redirect_uri,
        "scope": "openid email profile",
        "state": "the state",
        "nonce": "the nonce",
        "code_challenge": ATTEMPT.challenge,
        "code_challenge_method": "S256",
    }
    # Source: RFC 7636, appendix B
    known = Attempt("", "", "", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert known.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("wrong", "claim"),
    [
        ({"iss": "https://elsewhere.example"}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["kotta", "other"]}, "azp"),
        ({"aud": ["kotta", "other"], "azp": "other"}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"exp": 1_000_000_000}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"iat": 10**11}, "iat"),
        ({"iat": None}, "iat"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": 7}, "sub"),
        ({"sub": None}, "sub"),
    ],
)
def test_what_was_signed_for_something_else_is_refused(
    issuer: Issuer, wrong: dict[str, Any], claim: str
) -> None:
    issuer.claims = {
        name: value for name, value in {**issuer.claims, **wrong}.items() if value is not None
    }
    with pytest.raises(ProviderError, match=f"`{claim}` is wrong"):
        issuer.identify()


@pytest.mark.parametrize("subject", ["", "x" * 256, "é", "a\x00b"])
def test_a_name_that_is_none_is_refused(issuer: Issuer, subject: str) -> None:
    issuer.claims["sub"] = subject
    with pytest.raises(ProviderError, match="did not say who you are"):
        issuer.identify()


@pytest.mark.parametrize("email", [7, ["a@b"], "a\x00@b.org", "\ud800@b.org", "x" * 400])
def test_an_address_that_is_none_is_left_out(issuer: Issuer, email: object) -> None:
    del issuer.claims["email"]
    issuer.userinfo = {"sub": issuer.claims["sub"], "email": email}
    assert issuer.identify().email == ""


def test_several_audiences_are_fine_if_it_was_made_for_this_one(issuer: Issuer) -> None:
    issuer.claims |= {"aud": ["kotta", "other"], "azp": "kotta"}
    assert issuer.identify().subject == "248289761001"


def test_signatures_that_anybody_could_make_are_refused(issuer: Issuer) -> None:
    def part(value: dict[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    good = issuer.sign()
    header, claims, signature = good.split(".")
    public = issuer.key.as_pem(private=False)
    by_public_key = jwt.encode(
        {"alg": "HS256", "kid": "one"},
        issuer.claims,
        OctKey.import_key(public.replace(b"-----", b"")),
    )
    by_other_key = jwt.encode(
        {"alg": "RS256", "kid": "one"}, issuer.claims, RSAKey.generate_key(2048)
    )
    forged = part({**issuer.claims, "sub": "somebody else"})
    for token in (
        f"{part({'alg': 'none'})}.{claims}.",
        f"{part({'alg': 'none', 'kid': 'one'})}.{claims}.{signature}",
        f"{header}.{forged}.{signature}",
        by_public_key,
        by_other_key,
        "",
        "x",
        "a.b.c",
        f"{header}.{claims}",
    ):
        issuer.site.answers["/token"] = lambda _, token=token: {
            "access_token": "at",
            "id_token": token,
        }
        with pytest.raises(ProviderError):
            issuer.identify()


def test_keys_that_change_are_asked_for_again(issuer: Issuer) -> None:
    issuer.identify()
    issuer.identify()
    assert [path for path, _ in issuer.site.asked].count("/keys") == 1
    issuer.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
    issuer.algorithm = "ES256"
    with pytest.raises(ProviderError, match="InvalidKeyIdError"):
        issuer.identify()
    # a key that nobody here knows, and one that is a secret, are beside the right one
    issuer.published = [OctKey.generate_key(256, {"kid": "two"}), issuer.key]
    assert issuer.identify().subject == "248289761001"


def test_an_address_may_be_told_elsewhere_but_of_nobody_else(issuer: Issuer) -> None:
    del issuer.claims["email"]
    del issuer.claims["email_verified"]
    issuer.userinfo = {"sub": "248289761001", "email": "a@b.org", "email_verified": "true"}
    assert issuer.identify() == Identity(issuer.site.url, "248289761001", "a@b.org", True)
    issuer.userinfo["sub"] = "somebody else"
    with pytest.raises(ProviderError, match="somebody else"):
        issuer.identify()


def test_an_address_counts_as_verified_only_if_it_is_said(issuer: Issuer) -> None:
    for said in (False, None, "yes", 1, "false"):
        issuer.claims["email_verified"] = said
        assert not issuer.identify().is_email_theirs, said


def test_the_answer_of_another_provider_is_refused(issuer: Issuer) -> None:
    with pytest.raises(ProviderError, match="another provider"):
        issuer.identify(iss="https://elsewhere.example")
    issuer.about["authorization_response_iss_parameter_supported"] = True
    issuer.provider = OidcProvider("lab", issuer.provider.settings)
    with pytest.raises(ProviderError, match="which provider"):
        issuer.identify()


def test_a_provider_that_calls_itself_something_else_is_refused(issuer: Issuer) -> None:
    issuer.about["issuer"] = f"{issuer.site.url}/"
    with pytest.raises(ProviderError, match="calls itself"):
        issuer.identify()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "access_denied"}, "did not agree"),
        ({"error": "server_error\x1b[31m"}, "server_error"),
        ({}, "nothing that could be redeemed"),
    ],
)
def test_who_comes_back_with_an_error_is_told(
    issuer: Issuer, answer: dict[str, str], words: str
) -> None:
    with pytest.raises(ProviderError, match=words) as caught:
        asyncio.run(issuer.provider.identify(answer, ATTEMPT))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, {"error": "invalid_grant"}), "status 400 `invalid_grant`"),
        ((500, b"<h1>oops"), "status 500"),
        ((200, b"<h1>oops"), "something else than an object"),
        ((200, b"[" * 100_000), "something else than an object"),
        ((200, b" " * 300_000), "too long"),
        ((200, {}), "`id_token`"),
        ("https://elsewhere.example/", "status 302"),
    ],
)
def test_what_is_no_answer_is_an_error(issuer: Issuer, answer: Any, words: str) -> None:
    issuer.site.answers["/token"] = lambda _: answer
    with pytest.raises(ProviderError, match=words):
        issuer.identify()


def test_a_provider_that_is_silent_is_not_waited_for(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.2)
    issuer.site.answers["/token"] = lambda _: time.sleep(1) or {}
    with pytest.raises(ProviderError, match="does not answer"):
        issuer.identify()


def test_nothing_is_sent_without_encryption_off_this_machine(issuer: Issuer) -> None:
    issuer.about["token_endpoint"] = "http://192.0.2.1/token"
    with pytest.raises(ProviderError, match="without encryption"):
        issuer.identify()
    issuer.about["authorization_endpoint"] = "http://192.0.2.1/authorize"
    issuer.provider = OidcProvider("lab", issuer.provider.settings)
    with pytest.raises(ProviderError, match="without encryption"):
        asyncio.run(issuer.provider.authorize_url(ATTEMPT))


def amazon(site: Site, **about: Any) -> AmazonProvider:
    site.answers = {
        "/token": lambda _: {"access_token": "Atza|x", "token_type": "bearer"},
        "/tokeninfo": lambda _: {"aud": "kotta", "user_id": "amzn1.account.A", **about},
        "/profile": lambda _: {"user_id": "amzn1.account.A", "email": "Ada@Example.org"},
    }
    return AmazonProvider(
        AmazonSettings(
            client_id="kotta",
            client_secret="secret",
            authorize_url="https://www.amazon.com/ap/oa",
            token_url=f"{site.url}/token",
            token_info_url=f"{site.url}/tokeninfo",
            profile_url=f"{site.url}/profile",
        )
    )


def test_amazon_says_who_somebody_is(site: Site) -> None:
    found = asyncio.run(amazon(site).identify({"code": "c"}, ATTEMPT))
    subject = "amzn1.account.A"
    assert found == Identity("https://www.amazon.com", subject, "ada@example.org", False)
    by_path = dict(site.asked)
    assert by_path["/token"]["client_secret"] == "secret"
    assert by_path["/tokeninfo"]["access_token"] == "Atza|x"
    assert by_path["/profile"]["authorization"] == "Bearer Atza|x"


@pytest.mark.parametrize("about", [{"aud": "another-site"}, {"aud": None}, {"user_id": "other"}])
def test_a_token_of_amazons_for_somebody_else_is_refused(site: Site, about: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match="somebody else"):
        asyncio.run(amazon(site, **about).identify({"code": "c"}, ATTEMPT))
    if "aud" in about:
        assert "/profile" not in dict(site.asked), "it was not even shown to be one"


def test_what_is_wrong_in_the_settings_is_said_before_anybody_logs_in(tmp_path: Path) -> None:
    def found(text: str) -> str:
        file = tmp_path / "service.toml"
        file.write_text(text)
        return "\n".join(problems(load_settings(file).login))

    oidc = '[login.oidc.lab]\nclient_id = "k"\nissuer = "https://id.example"\n'
    assert found("") == found(oidc) == ""
    assert "no way to log in" in found("[login]\naccounts = false")
    assert "cannot be a name" in found(oidc.replace("lab", "amazon"))
    assert "cannot be a name" in found(oidc.replace(".lab", '."a/b"'))
    for issuer in ("http://id.example", "id.example", "https://", "https://u@id.example"):
        assert "no address like" in found(oidc.replace("https://id.example", issuer)), issuer
    assert found(oidc.replace("https://id.example", "http://127.0.0.1:1")) == ""
    assert "lack `openid`" in found(oidc + 'scopes = ["email"]')
    assert "allowed_domains" in found(oidc + "create_users = true")
    assert found(oidc + 'create_users = true\nallowed_domains = ["*"]') == ""
    assert "No such file" in found(oidc + 'client_secret_file = "/nowhere/secret"')
    (tmp_path / "secret").write_text("\n")
    file = f'client_secret_file = "{tmp_path}/secret"\n'
    assert "is empty" in found(oidc + file)
    (tmp_path / "secret").write_text("s\n")
    assert found(oidc + file) == ""
    assert "one of them" in found(oidc + file + 'client_secret = "s"')
    amazon = '[login.amazon]\nclient_id = "k"\n'
    assert "client_secret" in found(amazon)
    assert found(amazon + file) == ""
    assert "token_url" in found(amazon + file + 'token_url = "http://api.amazon.com"')


def test_providers_can_be_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oidc = {"lab": {"issuer": "https://id.example", "client_id": "k"}}
    monkeypatch.setenv("KOTTA_SERVICE_LOGIN_ACCOUNTS", "false")
    monkeypatch.setenv("KOTTA_SERVICE_LOGIN_OIDC", json.dumps(oidc))
    monkeypatch.setenv("KOTTA_SERVICE_LOGIN_AMAZON", '{"client_id": "a", "client_secret": "s"}')
    (tmp_path / "service.toml").touch()
    login = load_settings(tmp_path / "service.toml").login
    assert not login.accounts
    assert login.oidc["lab"].issuer == "https://id.example"
    assert login.amazon is not None
    assert login.amazon.client_id == "a"


def test_a_secret_in_the_settings_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text('[login.amazon]\nclient_id = "k"\nclient_secret = "hidden"\n')
    settings = load_settings(file)
    assert "hidden" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.login.amazon is not None
    assert settings.login.amazon.secret() == "hidden"
