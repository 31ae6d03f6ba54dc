"""Downloads of a shared service go to public addresses only, however another one is spelled."""

from __future__ import annotations

import ipaddress
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kotta_runner import addresses
from kotta_runner.addresses import Policy
from kotta_runner.download import download
from kotta_runner.staging import StagingError

COUNT = 300
SEED = int(os.environ.get("KOTTA_TEST_SEED") or random.randrange(1 << 32))
REFUSED_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
    "169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "168.63.129.16/32",
    "127.0.0.1/32", "255.255.255.255/32", "0.0.0.0/32",
)  # fmt: skip
REFUSED_6 = (
    "::", "::1", "fd00:ec2::254", "fd20:ce::254", "fc00::1", "fe80::1", "fe80::a9fe:a9fe%lo",
    "fec0::1", "ff02::1", "100::1", "2001:db8::1", "2001:20::1", "5f00::1", "3fff::1",
)  # fmt: skip
NAMES = {"localhost": "127.0.0.1", "metadata.google.internal": "169.254.169.254"}


def four(number: int) -> list[int]:
    return [number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255]


def mapped(prefix: str) -> Callable[[int], str]:
    return lambda n: f"[{prefix}{'.'.join(map(str, four(n)))}]"


def hexes(number: int) -> str:
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def fullwidth(text: str) -> str:
    return "".join(chr(ord(c) - 0x30 + 0xFF10) if c.isdigit() else c for c in text)


def dotted(number: int) -> str:
    return ".".join(map(str, four(number)))


SPELLINGS: list[Callable[[int], str]] = [
    dotted,
    str,
    hex,
    lambda n: hex(n).upper(),
    lambda n: f"0{n:o}",
    lambda n: ".".join(f"0{part:o}" for part in four(n)),
    lambda n: ".".join(f"0x{part:x}" for part in four(n)),
    lambda n: ".".join(f"{part:#06x}" for part in four(n)),
    lambda n: ".".join(f"{part:04o}" for part in four(n)),
    lambda n: f"{n >> 24}.{n & 0xFFFFFF}",
    lambda n: f"{n >> 24}.{n >> 16 & 255}.{n & 0xFFFF}",
    lambda n: f"0x{n >> 24:x}.{n & 0xFFFFFF}",
    lambda n: f"{n >> 24}.0{n >> 16 & 255:o}.0x{n & 0xFFFF:x}",
    lambda n: dotted(n) + ".",
    lambda n: fullwidth(dotted(n)),
    lambda n: dotted(n).replace(".", "。"),
    lambda n: dotted(n).replace(".", "\uff0e", 1),
    lambda n: dotted(n).replace(".", "｡"),
    lambda n: dotted(n).replace(".", "%2e"),
    mapped("::ffff:"),
    mapped("::"),
    mapped("::ffff:0:"),
    mapped("64:ff9b::"),
    mapped("64:ff9b:1::"),
    mapped("0:0:0:0:0:ffff:"),
    lambda n: f"[::ffff:{hexes(n)}]",
    lambda n: f"[64:ff9b::{hexes(n)}]",
    lambda n: f"[2002:{hexes(n)}::1]",
    lambda n: f"[2001:0:{hexes(n)}::1]",
    lambda n: f"[2001:0:5ef5:79fb:0:0:{hexes(n ^ 0xFFFFFFFF)}]",
    lambda n: f"[fe80::{hexes(n)}%25lo]",
    lambda n: f"[fe80::{hexes(n)}%lo]",
    lambda n: f"example.org@{dotted(n)}",
    lambda n: f"example.org:80@{n}",
    lambda n: f"example.org%40{dotted(n)}",
    lambda n: f"{dotted(n)}#@example.org",
    lambda n: f"{dotted(n)}\\@example.org",
    lambda n: f"example.org\\@{dotted(n)}",
    lambda n: f"{dotted(n)}:80:80",
    lambda n: f" {dotted(n)}",
    lambda n: f"\t{dotted(n)}",
]


def some_urls(count: int) -> list[str]:
    chance = random.Random(SEED)
    found: list[str] = [f"http://[{text}]/x" for text in REFUSED_6]
    found += [f"http://{name}/x" for name in (*NAMES, "LocalHost", "localhost.", "\uff4cocalhost")]
    while len(found) < count:
        spell = SPELLINGS[len(found) % len(SPELLINGS)]
        network = ipaddress.ip_network(chance.choice(REFUSED_NETWORKS))
        address = int(network[chance.randrange(network.num_addresses)])
        scheme = chance.choice(("http",) * 8 + ("HTTP", "https"))
        found.append(f"{scheme}://{spell(address)}{chance.choice(('', ':80', ':8520'))}/x")
    return found


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that a connection is tried to; off this machine none is really made."""
    seen: list[Any] = []
    really = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        seen.append(address)
        if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
            raise ConnectionRefusedError(111, "not from a test")
        really(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return seen


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for, each look-up taking the next of them; no name server is asked."""
    table = {name: [address] for name, address in NAMES.items()}
    really = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **how: Any) -> Any:
        plain = host.encode("idna").decode().rstrip(".").lower() or host
        if plain in table:
            host = table[plain].pop(0) if len(table[plain]) > 1 else table[plain][0]
        return really(host, port, flags=socket.AI_NUMERICHOST, **how)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


def fetch(url: str, policy: Policy, seconds: float = 5) -> bytes:
    found = bytearray()

    def receive(read: Callable[[int], bytes], _announced: int | None) -> None:
        while chunk := read(1 << 16):
            found.extend(chunk)

    download(url, receive, policy, time.monotonic() + seconds)
    return bytes(found)


class Redirecting:
    """A server of this machine that sends everybody on to `target`."""

    def __init__(self) -> None:
        self.target = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}/"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                target = self.target.encode("utf-8", "surrogateescape")
                connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\n\r\n")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def redirecting() -> Iterator[Redirecting]:
    some = Redirecting()
    yield some
    some.close()


def test_no_spelling_of_a_private_address_is_connected_to(connected: list[Any]) -> None:
    print(f"KOTTA_TEST_SEED={SEED}")
    policy = Policy(is_open=False)
    urls = some_urls(COUNT)
    refused = 0
    for url in urls:
        with pytest.raises((StagingError, OSError)) as caught:
            fetch(url, policy)
        refused += "does not download from" in str(caught.value)
        assert connected == [], url
    # most were understood and refused for where they lead, not for how they are written
    assert refused > COUNT / 2


def test_no_redirect_leads_to_a_private_address(
    connected: list[Any], redirecting: Redirecting
) -> None:
    print(f"KOTTA_TEST_SEED={SEED}")
    policy = Policy(is_open=False, allowed=[f"{redirecting.address[0]}/32"])
    for url in some_urls(COUNT):
        if "127.0.0.1" in url or "localhost" in url.lower():
            continue  # which is where the server that redirects is allowed to be
        redirecting.target = url
        connected.clear()
        with pytest.raises((StagingError, OSError)):
            fetch(redirecting.url, policy)
        others = [one for one in connected if one[0] != "127.0.0.1"]
        assert not others, url


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://192.0.2.1/x", "gopher://127.0.0.1:1/", "unix:/x", "s3:/"],
)
def test_no_redirect_leads_to_another_scheme(
    connected: list[Any], redirecting: Redirecting, target: str
) -> None:
    redirecting.target = target
    with pytest.raises(StagingError, match="only http"):
        fetch(redirecting.url, Policy())
    assert len(connected) == 1


def test_a_name_that_means_something_else_a_moment_later_gains_nothing(
    connected: list[Any], names: dict[str, list[str]]
) -> None:
    names["rebinding.example"] = ["93.184.216.34", "127.0.0.1"]
    with pytest.raises(StagingError, match="not from a test"):
        fetch("http://rebinding.example/x", Policy(is_open=False))
    assert connected == [("93.184.216.34", 80)]
    with pytest.raises(StagingError, match="does not download from"):
        fetch("http://rebinding.example/x", Policy(is_open=False))
    assert connected == [("93.184.216.34", 80)]


def test_of_a_name_with_public_and_private_addresses_only_the_public_are_tried(
    connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET, ("93.184.216.34", 80))]
    monkeypatch.setattr(addresses, "resolve", lambda *_: found)
    with pytest.raises(StagingError):
        fetch("http://both.example/x", Policy(is_open=False))
    assert connected == [("93.184.216.34", 80)]


@pytest.mark.parametrize("text", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_permitted(text: str) -> None:
    assert Policy(is_open=False).permits(text)


def test_a_listed_network_is_permitted_and_nothing_beside_it() -> None:
    policy = Policy(is_open=False, allowed=["10.1.0.0/16", "fd00:1::/32"])
    assert policy.permits("10.1.255.255")
    assert policy.permits("fd00:1::5")
    assert not policy.permits("10.2.0.0")
    assert not policy.permits("::ffff:10.1.0.1")
    assert not policy.permits("fd00:2::5")


def test_a_users_own_service_downloads_from_anywhere(
    connected: list[Any], redirecting: Redirecting
) -> None:
    redirecting.target = redirecting.url
    with pytest.raises(StagingError, match="more than 10 redirects"):
        fetch(redirecting.url, Policy())
    assert len(connected) == 11


def test_proxies_of_the_environment_are_for_a_users_own_service_only(
    connected: list[Any], redirecting: Redirecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", redirecting.url)
    redirecting.target = "file:///x"
    with pytest.raises(StagingError, match="only http"):
        fetch("http://198.51.100.1/x", Policy())
    assert connected.pop() == redirecting.address
    with pytest.raises(StagingError, match="does not download from"):
        fetch("http://198.51.100.1/x", Policy(is_open=False))
    assert connected == []
