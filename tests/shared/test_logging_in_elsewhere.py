"""Logging in by another service's word: a real OpenID provider in a real browser, and an Amazon."""

from __future__ import annotations

import html
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from browser import Browser
from form_filler import FormFiller
from logins import Terminal
from openid_provider import SECRET, OpenIdProvider
from shared_service import SharedService
from stand_in_site import Asked, Site

PASSWORD = "correct horse battery"


@dataclass
class Lab:
    service: SharedService
    provider: OpenIdProvider


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A service whose users log in by a real provider, or by a password."""
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        provider = OpenIdProvider(Path(home))
        settings = f"""
            [login.oidc.campus]
            issuer = "{provider.issuer}"
            client_id = "kotta"
            client_secret = "{SECRET}"
            label = "the campus"
        """
        service = SharedService(Path(home), settings)
        try:
            service.start()
            provider.start(f"{service.url}/login/from/campus")
            service.add_user("ada")
            yield Lab(service, provider)
        finally:
            service.close()
            provider.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(tmp_path)
    yield browser
    browser.close()


def to_the_campus(browser: Browser, terminal: Terminal) -> None:
    """Up to where the provider takes over."""
    browser.open(terminal.page)
    browser.press("Continue")
    browser.until_title("Who are you")
    browser.press("the campus")


def agree_as(browser: Browser, name: str) -> None:
    """Through the provider's own pages."""
    browser.until_title("Sign-in")
    browser.type("login", name)
    browser.type("password", "any")
    browser.press("Sign-in")
    browser.until_title("Authorize")
    browser.press("Continue")


def approve(lab: Lab, browser: Browser, terminal: Terminal) -> str:
    """Whom the terminal is logged in as."""
    browser.until_title("Does your terminal show this code?")
    assert terminal.code in browser.text
    browser.press("Approve")
    browser.until_title("Your terminal is logged in")
    me = lab.service.client(terminal.tokens()["access_token"]).get("/me").json()
    return str(me["name"])


def test_a_user_logs_in_by_a_provider(lab: Lab, browser: Browser) -> None:
    # the first time they are known by their address
    terminal = Terminal(lab.service)
    to_the_campus(browser, terminal)
    agree_as(browser, "ada")
    assert approve(lab, browser, terminal) == "ada"
    # then by the provider's name for them
    terminal = Terminal(lab.service)
    to_the_campus(browser, terminal)
    assert approve(lab, browser, terminal) == "ada"


def test_who_is_no_user_is_told_what_to_ask_for(lab: Lab, browser: Browser) -> None:
    terminal = Terminal(lab.service)
    to_the_campus(browser, terminal)
    agree_as(browser, "stranger")
    browser.until_title("You are not a user here")
    assert "kotta admin user add NAME stranger@example.org" in browser.text
    assert terminal.tokens()["error"] == "authorization_pending"


def test_an_address_that_nobody_verified_makes_nobody_a_user(lab: Lab, browser: Browser) -> None:
    lab.service.add_user("unsure")
    to_the_campus(browser, Terminal(lab.service))
    agree_as(browser, "unsure")
    browser.until_title("You are not a user here")


def test_an_invitation_links_who_comes_with_it(lab: Lab, browser: Browser) -> None:
    url = lab.service.add_user("unsure-too")
    browser.open(url)
    browser.press("the campus")
    agree_as(browser, "unsure.7")
    browser.until_title("Is this you?")
    assert "unsure.7@example.org at the campus is the user unsure-too" in browser.text
    browser.press("Yes, link them")
    browser.until_title("You can log in now")
    browser.open(url)
    browser.until_title("does not count any more")
    terminal = Terminal(lab.service)
    to_the_campus(browser, terminal)
    assert approve(lab, browser, terminal) == "unsure-too"


def test_a_user_logs_in_by_a_password_without_script(lab: Lab, tmp_path: Path) -> None:
    browser = Browser(tmp_path, has_script=False)
    try:
        browser.open(
            "data:text/html,<h1>no<script>document.querySelector('h1').append('t')</script>"
        )
        assert browser.title == "no", "script was to be off"
        browser.open(lab.service.add_user("bob"))
        browser.type("password", PASSWORD)
        browser.type("again", PASSWORD)
        browser.press("Keep this password")
        browser.until_title("You can log in now")
        terminal = Terminal(lab.service)
        browser.open(f"{lab.service.url}/login")
        browser.type("code", terminal.code.lower())
        browser.press("Continue")
        browser.until_title("Who are you")
        browser.type("name", "bob")
        browser.type("password", PASSWORD)
        browser.press("Log in")
        assert approve(lab, browser, terminal) == "bob"
    finally:
        browser.close()


def test_pages_are_styled_and_fit_a_phone(lab: Lab, browser: Browser) -> None:
    terminal = Terminal(lab.service, label="x" * 200)
    browser.resize(320, 640)
    browser.open(terminal.page)
    # a policy that did not fit the style sheet would leave the page as wide as it gets
    assert browser.run("return getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    browser.press("Continue")
    browser.until_title("Who are you")
    browser.press("the campus")
    agree_as(browser, "ada")
    browser.until_title("Does your terminal")
    assert browser.run("return document.documentElement.scrollWidth") <= 320


def test_the_answer_to_somebody_elses_question_is_refused(lab: Lab) -> None:
    """Who is sent back with another's code or state must not become them."""
    thief, victim = FormFiller(lab.service.url), FormFiller(lab.service.url)
    try:
        for person in (thief, victim):
            person.open(Terminal(lab.service).page).send()
            assert person.client.get("/login/with/campus").status_code == 303
        answer = thief.client.get("/login/with/campus")
        state = parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]
        for query in (f"code=x&state={state}", "code=x&state=", "code=x", f"state={state}é"):
            assert victim.open(f"/login/from/campus?{query}").page.status_code == 403
        assert victim.open("/login/from/nowhere?code=x").page.status_code == 403
        assert victim.open("/login/with/nowhere").page.status_code == 403
    finally:
        thief.close()
        victim.close()


class Amazon:
    """What is Amazon-shaped: whoever comes agrees at once, and is `who`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.who = "ada"
        self.audience = "kotta"
        site.answers = {
            "/ap/oa": self._agree,
            "/auth/o2/token": lambda _: {"access_token": "Atza|secret", "expires_in": 3600},
            "/auth/o2/tokeninfo": lambda _: {"aud": self.audience, "user_id": self.who},
            "/user/profile": lambda _: {
                "user_id": self.who,
                "email": f"{self.who}@example.org",
            },
        }

    def _agree(self, asked: Asked) -> str:
        return f"{asked['redirect_uri']}?code=c&state={asked['state']}&scope=profile"


@dataclass
class Shop:
    service: SharedService
    amazon: Amazon


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """A service whose users log in with Amazon alone, and become users by that."""
    site = Site()
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        settings = f"""
            [login]
            accounts = false
            [login.amazon]
            client_id = "kotta"
            client_secret = "s"
            trust_addresses = true
            create_users = true
            allowed_domains = ["Example.org"]
            authorize_url = "{site.url}/ap/oa"
            token_url = "{site.url}/auth/o2/token"
            token_info_url = "{site.url}/auth/o2/tokeninfo"
            profile_url = "{site.url}/user/profile"
        """
        service = SharedService(Path(home), settings)
        try:
            service.start()
            yield Shop(service, Amazon(site))
        finally:
            service.close()
            site.close()


@pytest.fixture
def person(shop: Shop) -> Iterator[FormFiller]:
    person = FormFiller(shop.service.url)
    yield person
    person.close()


def test_a_user_logs_in_with_amazon(shop: Shop, person: FormFiller) -> None:
    shop.service.add_user("ada")
    shop.amazon.who, shop.amazon.audience = "ada", "kotta"
    terminal = Terminal(shop.service)
    person.open(terminal.page).send()
    assert "Password" not in person.text
    assert "logged in as ada" in person.follow("Amazon").text
    person.send("approve")
    me = shop.service.client(terminal.tokens()["access_token"]).get("/me").json()
    assert me["name"] == "ada"
    assert "Atza|secret" not in shop.service.log()


def test_a_token_that_amazon_made_for_another_site_lets_nobody_in(
    shop: Shop, person: FormFiller
) -> None:
    shop.amazon.who, shop.amazon.audience = "ada", "another-site"
    terminal = Terminal(shop.service)
    person.open(terminal.page).send().follow("Amazon")
    assert person.title == "Amazon did not say who you are"
    assert "made for somebody else" in person.text
    assert person.open("/login/confirm").title == "Who are you?"
    assert terminal.tokens()["error"] == "authorization_pending"


def test_who_may_become_a_user_does(shop: Shop, person: FormFiller) -> None:
    shop.amazon.who, shop.amazon.audience = "New+er.Person", "kotta"
    person.open(Terminal(shop.service).page).send()
    assert "logged in as new-er.person" in person.follow("Amazon").text
    names = [user["name"] for user in shop.service.http.get("/users").json()["users"]]
    assert "new-er.person" in names


def test_another_who_has_the_address_now_is_not_the_user(shop: Shop, person: FormFiller) -> None:
    shop.service.add_user("mover")
    shop.amazon.audience, shop.amazon.who = "kotta", "mover"
    person.open(Terminal(shop.service).page).send()
    assert "logged in as mover" in person.follow("Amazon").text
    shop.amazon.site.answers["/auth/o2/tokeninfo"] = lambda _: {"aud": "kotta"}
    profile = shop.amazon.site.answers["/user/profile"]
    shop.amazon.site.answers["/user/profile"] = lambda _: {
        "user_id": "somebody new",
        "email": "mover@example.org",
    }
    person.open(Terminal(shop.service).page).send()
    assert person.open("/login/with/amazon").title == "You are not a user here"
    shop.amazon.site.answers["/user/profile"] = profile


def test_what_is_to_be_pasted_does_what_it_says(shop: Shop, person: FormFiller) -> None:
    shop.amazon.audience, shop.amazon.who = "kotta", "$(reboot)@x.org;reboot"
    # it ends with a domain that users may come from, but is no address
    person.open(Terminal(shop.service).page).send().follow("Amazon")
    assert person.title == "You are not a user here"
    (command,) = re.findall(r"<code>(.*?)</code>", person.page.text)
    typed = shlex.split(html.unescape(command))
    assert typed[:4] == ["kotta", "admin", "user", "add"]
    assert typed[5:] == ["$(reboot)@x.org;reboot@example.org"]


def test_who_is_disabled_is_let_in_by_nobody(shop: Shop, person: FormFiller) -> None:
    shop.service.add_user("leaver")
    shop.service.http.patch("/users/leaver", json={"disabled": True})
    shop.amazon.who, shop.amazon.audience = "leaver", "kotta"
    person.open(Terminal(shop.service).page).send().follow("Amazon")
    assert person.title == "You are not a user here"


def test_there_is_no_password_where_there_are_to_be_none(shop: Shop, person: FormFiller) -> None:
    url = shop.service.add_user("carol")
    assert person.open(url).title == "Choose how to log in"
    form = person.client.post(url, data={"password": PASSWORD, "again": PASSWORD})
    assert form.status_code == 403
    shop.amazon.who = "carols-amazon"
    assert "is the user carol" in person.follow("Amazon").text
    assert person.send().title == "You can log in now"
