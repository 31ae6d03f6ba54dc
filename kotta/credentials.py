"""The credentials of the first clients, understood and kept out of sight."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kotta.errors import ConfigError

_TOKEN = re.compile(r"[!-~]{1,65536}\Z")


@dataclass(frozen=True)
class Credentials:
    """Tokens for a service; their representation does not show them."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)


def is_token(value: object) -> bool:
    """Whether this can be a token: visible ASCII, as a header can carry it.

    Source: RFC 6750, 2.1.
    """
    return isinstance(value, str) and bool(_TOKEN.match(value))


def understand(given: str | Mapping[str, Any]) -> Credentials:
    """The tokens in JSON text or a dict of the first library, or in the login page's address.

    Raises:
        ConfigError: there is no access token; what was given is not repeated.
    """
    found = given if isinstance(given, Mapping) else _fields(given.strip())
    access, refresh = found.get("access_token"), found.get("refresh_token") or ""
    if not isinstance(access, str) or not is_token(access) or not isinstance(refresh, str):
        raise ConfigError(
            "there is no `access_token` in the credentials",
            hint="give the JSON text or dict of the first library, or the login page's address; "
            "no credentials are needed for the local service",
        )
    return Credentials(access, refresh)


def _fields(text: str) -> Mapping[str, Any]:
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    try:
        parts = urlsplit(text)
    except ValueError:
        return {}
    values = parse_qs(parts.query or parts.fragment)
    return {name: items[0] for name, items in values.items()}
