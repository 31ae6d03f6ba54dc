from __future__ import annotations

from pathlib import Path

import pytest

from kotta.config import find_server
from kotta.errors import ConfigError


@pytest.fixture
def config(home: Path) -> Path:
    path = home / "config" / "kotta" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[profiles.lab]\nserver = "https://lab.example"\n[profiles.own]\n')
    return path


def test_nothing_said_is_the_local_service() -> None:
    found = find_server()
    assert found.is_local
    assert found.origin == "default"


def test_what_is_asked_for_wins_over_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOTTA_PROFILE", "lab")
    assert find_server().address == "https://lab.example"
    monkeypatch.setenv("KOTTA_SERVER", "http://variable.example")
    assert find_server().address == "http://variable.example"
    assert find_server(profile="lab").origin == "profile lab"
    assert find_server("http://argument.example", "lab").address == "http://argument.example"
    assert find_server("local").is_local


@pytest.mark.parametrize(
    "address",
    ["unix:/run/k.sock", "http://host", "http://host:8080", "https://[::1]:8", "http://h/below"],
)
def test_addresses_are_taken_as_they_are(address: str) -> None:
    assert find_server(address).address == address


def test_a_slash_at_the_end_of_an_address_means_nothing() -> None:
    assert find_server("http://host:8080/").address == "http://host:8080"


@pytest.mark.parametrize(
    "address",
    [
        *("host", "ftp://host", "unix:relative", "http://", "http://host:99999", "http://host:0"),
        *("http://a b", "http://host\n", "http://user:secret@host", "http://host?x=1"),
        *("http://host#x", "http://[::1", "unix:/" + "x" * 200, "javascript:1", "http://ho\x00st"),
    ],
)
def test_other_addresses_are_refused_with_an_example(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_server(address)
    assert caught.value.hint


def test_a_profile_without_a_server_is_the_local_service(config: Path) -> None:
    assert find_server(profile="own").is_local


def test_an_unknown_profile_lists_the_known_ones(config: Path) -> None:
    with pytest.raises(ConfigError, match="no profile `lba`") as caught:
        find_server(profile="lba")
    assert "lab, own" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["profiles = 3", "not toml", "[profiles]\nlab = 3", "[profiles.lab]\nserver = 3"]
)
def test_a_file_that_makes_no_sense_is_named(config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(ConfigError) as caught:
        find_server(profile="lab")
    assert str(config) in caught.value.message


def test_a_file_that_is_no_text_is_named(config: Path) -> None:
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        find_server(profile="lab")
