"""Which service is meant: by argument, environment or profile, or else this user's local one."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kotta import paths
from kotta.errors import ConfigError

_PRINTABLE = re.compile(r"[!-~]+\Z")


@dataclass(frozen=True)
class Server:
    """A service to talk to.

    Attributes:
        address: `unix:/path`, `http://host:port` or `https://host`; "" for the local service, whose
            socket is known once it runs.
        origin: who said so: `argument`, `KOTTA_SERVER`, `profile NAME` or `default`.
    """

    address: str
    origin: str

    @property
    def is_local(self) -> bool:
        """Whether it is this user's own service, which starts by itself."""
        return not self.address


def find_server(server: str | None = None, profile: str | None = None) -> Server:
    """The service that is meant.

    What was asked for in so many words comes first (`server`, then `profile`), then the
    environment (KOTTA_SERVER, then KOTTA_PROFILE), then the local service.

    Raises:
        ConfigError: the address cannot be understood, or there is no such profile.
    """
    if server:
        return Server(_checked(server, "server"), "argument")
    name = profile or os.environ.get("KOTTA_PROFILE")
    if not profile and (address := os.environ.get("KOTTA_SERVER")):
        return Server(_checked(address, "KOTTA_SERVER"), "KOTTA_SERVER")
    if not name:
        return Server("", "default")
    found = profiles()
    if name not in found:
        known = ", ".join(sorted(found)) or "none yet"
        raise ConfigError(
            f"there is no profile `{name}`",
            hint=f"profiles in {config_file()}: {known}",
        )
    return Server(_checked(found[name], f"profile {name}"), f"profile {name}")


def is_own(server: Server) -> bool:
    """Whether it is a service of this user's: the local one, or one on a socket that they made."""
    if server.is_local:
        return True
    if not server.address.startswith("unix:"):
        return False
    try:
        return os.stat(server.address.removeprefix("unix:")).st_uid == os.getuid()
    except OSError:
        return False


def config_file() -> Path:
    return paths.config_directory() / "config.toml"


def profiles() -> dict[str, str]:
    """Profile names and the addresses of their servers ("" or `local`: the local service).

    Raises:
        ConfigError: the configuration file cannot be read or understood.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    path = config_file()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    table: Any = values.get("profiles", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: `profiles` must hold tables such as [profiles.lab]")
    found = {}
    for name, entry in table.items():
        server = entry.get("server", "") if isinstance(entry, dict) else None
        if not isinstance(server, str):
            raise ConfigError(f'{path}: [profiles.{name}] needs server = "https://…"')
        found[name] = server
    return found


def _checked(address: str, origin: str) -> str:
    if address in ("", "local"):
        return ""
    if address.startswith("unix:/"):
        if len(os.fsencode(address)) > len("unix:") + paths.MAX_SOCKET_BYTES:
            raise ConfigError(
                f"{origin}: `{address}` is longer than a socket's path can be",
                hint=f"{paths.MAX_SOCKET_BYTES} bytes at most",
            )
        return address
    if not _is_url(address):
        raise ConfigError(
            f"{origin}: `{address}` is no address of a service",
            hint="write https://kotta.example.org, unix:/path/to/socket, or local",
        )
    return address.rstrip("/")


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
