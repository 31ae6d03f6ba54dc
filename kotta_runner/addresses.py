"""Which addresses a download may go to, decided on the address that is really connected to."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from kotta_runner.staging import StagingError

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# Source: IANA IPv4 Special-Purpose Address Registry, RFC 6890; RFC 5771 (multicast). Listed here,
# as the versions of `ipaddress` differ in what they call global (CVE-2024-4032).
_REFUSED_4 = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Source: "What is IP address 168.63.129.16?", Azure's manual: its metadata has a public one
        "168.63.129.16/32",
    )
)
# Source: RFC 4291, 2.4, and the IANA registry: what is not global unicast is loopback, link-local,
# unique local, multicast, mapped (::ffff:0:0/96) or translated (64:ff9b::/96)
_GLOBAL_6 = ipaddress.ip_network("2000::/3")
_REFUSED_6 = tuple(
    ipaddress.ip_network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments, Teredo (2001::/32) among them
        "2001:db8::/32",
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",
    )
)


class Policy:
    """Where downloads may go.

    Attributes:
        is_open: anywhere, as on a user's own machine; else to public addresses and `allowed` ones.
    """

    def __init__(self, is_open: bool = True, allowed: Sequence[str] = ()) -> None:
        self.is_open = is_open
        self._allowed: List[Network] = [ipaddress.ip_network(text) for text in allowed]

    @classmethod
    def of(cls, launch: Dict[str, Any]) -> Policy:
        """What a launch says; one that says nothing is of a user's own service."""
        downloads = launch.get("downloads") or {}
        return cls(not downloads.get("refuse_private"), downloads.get("allowed_networks") or ())

    def permits(self, text: str) -> bool:
        """Whether one may connect to a numeric address."""
        if self.is_open:
            return True
        # a zone (fe80::1%eth0) says through which interface, and nothing about what is there
        address = ipaddress.ip_address(text.partition("%")[0])
        return any(address in network for network in self._allowed) or _is_public(address)


def connect(
    policy: Policy, host: str, port: int, timeout_seconds: Optional[float] = None
) -> socket.socket:
    """A connection to the first address of `host` that is permitted and answers.

    The name is looked up once, and what was looked at is what is connected to: a name that means
    something else a moment later gains nothing.

    Raises:
        StagingError: it has no address that downloads may go to.
        OSError: it has no address, or none that answers.
    """
    found = resolve(host, port)
    permitted = [one for one in found if policy.permits(str(one[1][0]))]
    if not permitted:
        numbers = ", ".join(dict.fromkeys(str(one[1][0]) for one in found))
        raise StagingError(
            "%s is at %s, which this service does not download from; its administrator can "
            "list it in allowed_input_networks" % (host, numbers)
        )
    failure: Optional[OSError] = None
    for family, address in permitted:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_seconds)
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    assert failure is not None
    raise failure


def resolve(host: str, port: int) -> List[Tuple[int, Tuple[Any, ...]]]:
    """Family and numeric socket address of everything that a name stands for.

    Raises:
        OSError: it stands for nothing.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("%r is no host's name" % host) from error
    # a Python without IPv6 gives raw bytes for its addresses, which nothing could be checked on
    return [
        (family, address)
        for family, _, _, _, address in found
        if family in (socket.AF_INET, socket.AF_INET6) and isinstance(address[0], str)
    ]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_4)
    return address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)
