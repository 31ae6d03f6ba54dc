"""How often somebody may guess: a few times freely, then after waits that double.

An attempt is counted before it is checked, so that many guesses at once are not free either; what
turns out right is taken back. With time, wrong ones are forgiven one by one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from dataclasses import dataclass

from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction

LONGEST_WAIT_SECONDS = 900
FORGET_SECONDS = 24 * 3600
_LONGEST_EXPONENT = 20


@dataclass(frozen=True)
class Guesses:
    """Guesses that are counted together.

    Attributes:
        key: under which they are kept.
        free: how many wrong ones nobody has to wait after.
        forgiven_seconds: after so long, each time, one counts no longer.
    """

    key: str
    free: int
    forgiven_seconds: float

    @classmethod
    def of_name(cls, what: str, name: str) -> Guesses:
        """Those about one name, which may be anything that somebody typed."""
        return cls(f"{what} of {hashlib.sha256(name.encode()).hexdigest()}", 5, 900)

    @classmethod
    def from_address(cls, what: str, client: str) -> Guesses:
        """Those from one address, where many people may sit; IPv6: its network of 64 bits."""
        return cls(f"{what} from {_network(client)}", 30, 60)

    def count_at(self, now: float, count: int, last_at: float) -> int:
        """How many count now of those that were kept."""
        return max(0, count - int((now - last_at) / self.forgiven_seconds))

    def pause_seconds(self, count: int) -> float:
        """For how long nobody may guess after so many."""
        if count < self.free:
            return 0
        exponent = min(count - self.free, _LONGEST_EXPONENT)
        return float(min(2**exponent, LONGEST_WAIT_SECONDS))


def attempt(transaction: Transaction, *kinds: Guesses) -> int:
    """Counts an attempt as a guess of each kind, if all of them allow it.

    Returns:
        0 if it may be made; else for how many seconds none may, and nothing more was counted.
    """
    now = time.time()
    store.forget_failures_before(transaction, now - FORGET_SECONDS)
    counts = {}
    wait = 0.0
    for kind in kinds:
        kept, last_at = store.failure(transaction.connection, kind.key)
        if last_at > now:
            # the clock was ahead: who waits does so from now on, and not until it would be then
            last_at = now
            store.note_failure(transaction, kind.key, kept, now)
        counts[kind.key] = count = kind.count_at(now, kept, last_at)
        wait = max(wait, last_at + kind.pause_seconds(count) - now)
    if wait > 0:
        return max(1, round(wait))
    for key, count in counts.items():
        store.note_failure(transaction, key, count + 1, now)
    return 0


def take_back(transaction: Transaction, kind: Guesses) -> None:
    """The last attempt was right: it does not count, but earlier ones of others still do."""
    count, last_at = store.failure(transaction.connection, kind.key)
    if count > 1:
        store.note_failure(transaction, kind.key, count - 1, last_at)
    else:
        store.forget_failures(transaction, kind.key)


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client[:64]
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
