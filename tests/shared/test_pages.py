"""The pages: who approves a login, what they are shown, and who cannot do it in their name."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from form_filler import FormFiller
from logins import Terminal
from shared_service import SharedService
from waiting import wait_until

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def enrolled(shared: SharedService) -> SharedService:
    """The service, whose users have chosen passwords."""
    for name in ("ada", "eve"):
        url = shared.http.post(f"/users/{name}/invitation").json()["url"]
        person = FormFiller(shared.url)
        assert (
            person.open(url).send(password=PASSWORD, again=PASSWORD).title == "You can log in now"
        )
        person.close()
    return shared


@pytest.fixture
def person(enrolled: SharedService) -> Iterator[FormFiller]:
    person = FormFiller(enrolled.url)
    yield person
    person.close()


def log_in(person: FormFiller, terminal: Terminal, name: str = "ada") -> FormFiller:
    """Up to the page that asks for approval."""
    return person.open(terminal.page).send().send(name=name, password=PASSWORD)


def test_a_person_approves_a_login_by_name_and_password(
    enrolled: SharedService, person: FormFiller
) -> None:
    terminal = Terminal(enrolled, label="ada@laptop")
    log_in(person, terminal)
    assert person.title == "Does your terminal show this code?"
    for words in (
        terminal.code,
        "logged in as ada",
        "ada@laptop",
        "127.0.0.1",
        "submit and cancel",
    ):
        assert words in person.text
    assert "administer" not in person.text
    assert person.send("approve").title == "Your terminal is logged in"
    tokens = terminal.tokens()
    assert (tokens["token_type"], tokens["scope"]) == ("Bearer", "read write")
    me = enrolled.client(tokens["access_token"]).get("/me").json()
    assert (me["name"], me["scopes"]) == ("ada", ["read", "write"])
    renewed = terminal.refresh(tokens["refresh_token"])
    assert renewed["scope"] == "read write"
    assert enrolled.client(renewed["access_token"]).get("/me").status_code == 200


def test_the_address_of_mail_and_any_case_do_as_well(
    enrolled: SharedService, person: FormFiller
) -> None:
    terminal = Terminal(enrolled)
    person.open("/login").send(code=terminal.code.replace("-", "").lower())
    person.send(name=" ADA@example.org ", password=PASSWORD).send("approve")
    assert "access_token" in terminal.tokens()


def test_a_person_denies_a_login(enrolled: SharedService, person: FormFiller) -> None:
    terminal = Terminal(enrolled)
    assert log_in(person, terminal).send("deny").title == "The login was denied"
    assert terminal.tokens()["error"] == "access_denied"
    # and has to say again who they are
    assert person.open("/login/confirm").title == "Log in a terminal"


def test_administering_is_offered_to_administrators_who_asked(
    enrolled: SharedService, person: FormFiller
) -> None:
    terminal = Terminal(enrolled, "read write admin")
    assert "administer this service" in log_in(person, terminal, "eve").text
    person.send("approve")
    assert terminal.tokens()["scope"] == "read write admin"
    terminal = Terminal(enrolled, "read write admin")
    assert "administer this service: " not in log_in(person, terminal, "ada").text
    person.send("approve")
    assert terminal.tokens()["scope"] == "read write"


def test_wrong_passwords_and_unknown_names_are_told_alike(
    enrolled: SharedService, person: FormFiller
) -> None:
    said = set()
    for name, password in (("ada", "not it at all"), ("nobody", PASSWORD), ("bob", PASSWORD)):
        person.open(Terminal(enrolled).page).send().send(name=name, password=password)
        said.add((person.page.status_code, re.sub(r'value="[^"]*"', "", person.page.text)))
    assert len(said) == 1
    assert "no user with this name and password" in person.text


def test_a_code_that_waits_for_nobody_is_refused(
    enrolled: SharedService, person: FormFiller
) -> None:
    person.open("/login").send(code="BBBB-CCCC")
    assert person.page.status_code == 422
    assert "No login waits with this code" in person.text


def test_a_form_of_another_session_does_nothing(
    enrolled: SharedService, person: FormFiller
) -> None:
    terminal = Terminal(enrolled)
    log_in(person, terminal)
    for csrf in ("", "x", "é"):
        forged = person.client.post(
            "/login/confirm", data={"csrf": csrf, "decision": "approve"}, follow_redirects=True
        )
        assert forged.status_code == 403
    other = FormFiller(enrolled.url)
    stolen = person.page.text
    other.open("/login")
    other.page = type(other.page)(200, text=stolen, request=other.page.request)
    assert other.send("approve").page.status_code == 403
    other.close()
    assert terminal.tokens()["error"] == "authorization_pending"


def test_a_session_that_was_changed_is_none(enrolled: SharedService, person: FormFiller) -> None:
    log_in(person, Terminal(enrolled))
    (cookie,) = person.client.cookies.jar
    header, claims, signature = str(cookie.value).split(".")
    for value in (f"{header}.{claims}x.{signature}", f"{header}.{claims}.", "x", "a.b.c"):
        answer = FormFiller(enrolled.url)
        answer.client.cookies.set("kotta-login", value)
        assert answer.open("/login/confirm").title == "Log in a terminal"
        answer.close()
    # and a token for the API is no session
    token = log_in_tokens(enrolled)["access_token"]
    answer = FormFiller(enrolled.url)
    answer.client.cookies.set("kotta-login", token)
    assert answer.open("/login/confirm").title == "Log in a terminal"
    answer.close()
    # nor is a session a token for the API
    assert enrolled.client(str(cookie.value)).get("/me").status_code == 401


def log_in_tokens(service: SharedService) -> dict[str, str]:
    terminal, person = Terminal(service), FormFiller(service.url)
    log_in(person, terminal).send("approve")
    person.close()
    return terminal.tokens()


@pytest.mark.parametrize("path", ["/login", "/login?code=<script>", "/enrol/x", "/login/done"])
def test_pages_can_do_nothing_but_show_and_send_forms(
    enrolled: SharedService, person: FormFiller, path: str
) -> None:
    headers = person.open(path).page.headers
    policy = headers["content-security-policy"]
    for part in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "<script" not in person.page.text
    assert 'lang="en"' in person.page.text


def test_the_cookie_is_for_this_service_alone(enrolled: SharedService, person: FormFiller) -> None:
    cookie = person.open("/login").page.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=lax", "path=/", "max-age=900"):
        assert part in cookie
    assert "domain" not in cookie


def test_with_tls_the_cookie_is_for_https_and_this_host_alone() -> None:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        certificate, key = made_certificate(Path(home))
        tls = f'[serve]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        service = SharedService(Path(home), tls)
        service.start()
        person = FormFiller(service.url, verify=False)
        try:
            cookie = person.open("/login").page.headers["set-cookie"]
            assert person.send(code="BBBB-BBBB").page.status_code == 422, "it was sent back"
        finally:
            person.close()
            service.close()
    assert cookie.startswith("__Host-kotta-login=")
    assert "; Secure" in cookie
    assert "domain" not in cookie.lower()


def made_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def test_text_is_never_markup(enrolled: SharedService, person: FormFiller) -> None:
    hostile = "<b onclick=x>'\"&\u202e</b>\x1b[31m"
    log_in(person, Terminal(enrolled, label=hostile))
    assert "<b onclick" not in person.page.text
    assert "<b onclick=x>'\"&" in person.text
    assert "\u202e" not in person.page.text
    assert "\x1b" not in person.page.text
    person.open("/login").send(code="<i>")
    assert "<i>" not in person.page.text


def test_what_was_decided_cannot_be_decided_again(
    enrolled: SharedService, person: FormFiller
) -> None:
    terminal = Terminal(enrolled)
    log_in(person, terminal)
    other = FormFiller(enrolled.url)
    log_in(other, terminal, "eve")
    person.send("approve")
    assert other.send("deny").title == "This login waits no longer"
    other.close()
    assert "access_token" in terminal.tokens()


def test_who_is_disabled_meanwhile_approves_nothing(
    enrolled: SharedService, person: FormFiller
) -> None:
    person.open(enrolled.add_user("leaver")).send(password=PASSWORD, again=PASSWORD)
    terminal = Terminal(enrolled)
    log_in(person, terminal, "leaver")
    enrolled.http.patch("/users/leaver", json={"disabled": True})
    assert person.send("approve").title == "This login waits no longer"
    assert terminal.tokens()["error"] == "authorization_pending"
    log_in(person, Terminal(enrolled), "leaver")
    assert "no user with this name and password" in person.text


def test_to_look_at_an_invitation_does_not_use_it_up(
    enrolled: SharedService, person: FormFiller
) -> None:
    url = enrolled.add_user("carol")
    for _ in range(2):
        assert person.open(url).title == "Choose a password"
    refused = {
        "short": "12 characters at least",
        "aaaaaaaaaaaaaaa": "too few different",
        "carolcarolcarol1": "others would guess",
        "Carol@Example.org": "others would guess",
        "Password12345": "others would guess",
    }
    for password, words in refused.items():
        person.send(password=password, again=password)
        assert words in person.text, password
    person.send(password=PASSWORD, again="something else")
    assert "two different" in person.text
    assert person.send(password=PASSWORD, again=PASSWORD).title == "You can log in now"
    assert person.open(url).title == "This invitation does not count any more"
    assert log_in(person, Terminal(enrolled), "carol").title.startswith("Does your terminal")


def test_no_secret_is_in_the_log(enrolled: SharedService, person: FormFiller) -> None:
    url = enrolled.add_user("dora")
    person.open(url).send(password=PASSWORD, again=PASSWORD)
    tokens = log_in_tokens(enrolled)
    wait_until(lambda: enrolled.log().count('"route": "/enrol/{secret}"') >= 2)
    log = enrolled.log()
    for secret in (PASSWORD, "correct+horse", url.rpartition("/")[2], *tokens.values()):
        assert len(str(secret)) < 12 or str(secret) not in log
    assert "approved a login" in log


def test_who_guesses_passwords_has_to_wait(enrolled: SharedService, person: FormFiller) -> None:
    person.open(Terminal(enrolled).page).send()
    statuses = [
        person.send(name="ada", password=f"guess number {number}").page.status_code
        for number in range(10)
    ]
    assert statuses[:5] == [422] * 5
    assert 429 in statuses
