"""What an address of a service may look like."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from kotta import paths

HINT = "write https://kotta.example.org, unix:/path/to/socket, or local"
_PRINTABLE = re.compile(r"[!-~]+\Z")


def problem(address: str) -> str:
    """What is wrong with an address, "" if nothing is."""
    if address in ("", "local"):
        return ""
    if address.startswith("unix:/"):
        limit = paths.MAX_SOCKET_BYTES
        is_long = len(os.fsencode(address)) > len("unix:") + limit
        return f"is longer than a socket's path can be, {limit} bytes" if is_long else ""
    return "" if _is_url(address) else "is no address of a service"


def canonical(address: str) -> str:
    """The address with scheme and host in small letters, without a slash at its end."""
    scheme, colon, rest = address.partition("://")
    if not colon:
        return address.rstrip("/")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}".rstrip("/")


def is_here(address: str) -> bool:
    """Whether this machine itself is meant, where nothing stands between."""
    return (urlsplit(address).hostname or "") in ("localhost", "127.0.0.1", "::1")


def is_safe(address: str) -> bool:
    """Whether a token may be sent to this address: over TLS, or to this machine itself."""
    return urlsplit(address).scheme == "https" or is_here(address)


def is_page(address: str) -> bool:
    """Whether this is an address of a page, which a browser may be asked to open."""
    if not _PRINTABLE.match(address):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None


def _is_url(address: str) -> bool:
    # urlsplit drops line breaks and lets blanks be part of a host
    if not _PRINTABLE.match(address):
        return False
    try:
        parts = urlsplit(address)
        is_plain = parts.username is None and not parts.query and not parts.fragment
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and is_plain
            and (parts.port != 0)
        )
    except ValueError:
        return False
