"""What the URL of a PostgreSQL says, and how it is shown without its secrets."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from kotta.errors import ConfigError

_FORM = (
    "postgresql://user@host:port,host:port/name; in a name or password @ is written %40, "
    ": %3A, / %2F and % %25"
)
_PARAMETERS = "https://www.postgresql.org/docs/current/libpq-connect.html lists them"
_UNKNOWN = re.compile('invalid URI query parameter: "(.*)"')
_USER = re.compile(r"^([^/]+://[^:@/]*):[^@/]*@")
_PARAMETER = re.compile(r"(?<=[?&])([^=&]*)=[^&]*")
_SECRETS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)


def parameters(url: str) -> dict[str, Any]:
    """What libpq understands by it; several hosts, and their ports, are one parameter with commas.

    Raises:
        ConfigError: it does not. Nothing of the URL is in the words but a parameter's name, for a
            password with signs that have a meaning in URLs may be in any part of it.
    """
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise ConfigError(
            "`database` is PostgreSQL, and its driver is not installed",
            hint="pip install 'kotta-cli[postgres]'",
        ) from None
    authority, _, path = url.partition("://")[2].partition("/")
    # libpq takes the first for the end of the password, and its rest for a host
    if authority.count("@") > 1 or "@" in path.partition("?")[0]:
        raise ConfigError("`database` has more than one @, or one behind a /", hint=_FORM)
    try:
        given = conninfo_to_dict(url)
    except ProgrammingError as error:
        if unknown := _UNKNOWN.match(str(error)):
            words = f"`database`: PostgreSQL knows no parameter `{unknown[1]}`"
            raise ConfigError(words, hint=_PARAMETERS) from None
        raise ConfigError("`database` is no URL that PostgreSQL knows", hint=_FORM) from None
    ports = [port for port in str(given.get("port", "")).split(",") if port]
    if not all(port.isdecimal() and 0 < int(port) < 65_536 for port in ports):
        raise ConfigError("`database`: a port is no number from 1 to 65535", hint=_FORM)
    return given


def shown(url: str) -> str:
    """A URL that is understood, for messages."""

    def masked(parameter: re.Match[str]) -> str:
        return f"{parameter[1]}=***" if unquote(parameter[1]) in _SECRETS else parameter[0]

    return _PARAMETER.sub(masked, _USER.sub(r"\1:***@", url))
