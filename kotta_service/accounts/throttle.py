"""How often somebody may guess: a few times freely, then after waits that double.

An attempt is counted before it is checked, so that many guesses at once are not free either; what
turns out right is taken back.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time

from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction

FREE_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 900
FORGET_SECONDS = 24 * 3600
_LONGEST_EXPONENT = 20


def attempt(transaction: Transaction, *keys: str) -> int:
    """Counts an attempt under each key, if all of them allow it.

    Returns:
        0 if it may be made; else for how many seconds none may, and nothing was counted.
    """
    now = time.time()
    store.forget_failures_before(transaction, now - FORGET_SECONDS)
    before = {key: store.failure(transaction.connection, key) for key in keys}
    free_at = max(at + _pause_seconds(count) for count, at in before.values())
    if free_at > now:
        return max(1, round(free_at - now))
    for key, (count, _) in before.items():
        store.note_failure(transaction, key, count + 1, now)
    return 0


def take_back(transaction: Transaction, key: str) -> None:
    """The last attempt was right: it does not count, but earlier ones of others still do."""
    count, last_at = store.failure(transaction.connection, key)
    if count > 1:
        store.note_failure(transaction, key, count - 1, last_at)
    else:
        store.forget_failures(transaction, key)


def key_of_address(what: str, client: str) -> str:
    """The key for guesses of something from an address; IPv6: from its network of 64 bits."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return f"{what} from {client[:64]}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return f"{what} from {address.ipv4_mapped}"
        return f"{what} from {ipaddress.ip_network((address, 64), strict=False)}"
    return f"{what} from {address}"


def key_of_name(what: str, name: str) -> str:
    """The key for guesses about a name, which may be anything that somebody typed."""
    return f"{what} of {hashlib.sha256(name.encode()).hexdigest()}"


def _pause_seconds(count: int) -> float:
    if count < FREE_ATTEMPTS:
        return 0
    return float(min(2 ** min(count - FREE_ATTEMPTS, _LONGEST_EXPONENT), LONGEST_WAIT_SECONDS))
