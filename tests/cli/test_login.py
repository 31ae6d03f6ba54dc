from __future__ import annotations

from cli.conftest import User


def test_the_local_service_needs_none(user: User) -> None:
    result = user.kotta("login")
    assert (result.code, result.err) == (0, "")
    assert "No login is needed" in result.out
    assert f"unix:{user.home}/run/kotta/service-" in result.out


def test_it_does_not_start_the_service(idle_user: User) -> None:
    assert idle_user.kotta("login").code == 0
    assert idle_user.kotta("service", "status").code == 1


def test_a_service_that_does_not_answer_is_an_error(user: User) -> None:
    result = user.quick("login", "http://127.0.0.1:9")
    assert (result.code, result.out) == (1, "")
    assert "no answer from http://127.0.0.1:9" in result.err


def test_a_token_would_not_be_sent_in_the_clear(user: User) -> None:
    result = user.quick("login", "http://kotta.example.org")
    assert result.code == 1
    assert "is not https" in result.err
    assert "kotta login https://kotta.example.org" in result.err


def test_the_server_may_come_from_the_environment_or_a_profile(user: User) -> None:
    server = "https://127.0.0.1:9"
    assert user.quick("login", KOTTA_SERVER=server).code == 1
    (user.home / ".config/kotta").mkdir(parents=True, exist_ok=True)
    (user.home / ".config/kotta/config.toml").write_text(
        f'[profiles.lab]\nserver = "{server}"\n[profiles."at home"]\nserver = "local"\n'
    )
    assert user.quick("-p", "lab", "login").code == 1
    assert user.quick("login", KOTTA_PROFILE="lab").code == 1
    assert user.quick("--profile", "at home", "login").code == 0
    assert user.kotta("__complete", "profiles", "").lines == ["lab", "at home"]


def test_json_says_the_same(user: User) -> None:
    assert user.quick("login", "--json").json == {
        "login_needed": False,
        "server": "local",
        "origin": "default",
    }


def test_a_profile_that_is_not_there_is_an_error(user: User) -> None:
    result = user.quick("-p", "nowhere", "list")
    assert result.code == 1
    assert "there is no profile `nowhere`" in result.err
