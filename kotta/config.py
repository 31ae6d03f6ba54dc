"""This user's settings, and which service is meant: by argument, environment, profile or none."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kotta import addresses, paths, project_file, settings
from kotta.errors import ConfigError

if TYPE_CHECKING:
    from kotta.config_files import SettingsFile

DEFAULT = "default"


class Server(NamedTuple):
    """A service to talk to.

    Attributes:
        address: `unix:/path`, `http://host:port` or `https://host`; "" for the local service, whose
            socket is known once it runs.
        origin: who said so: `argument`, `KOTTA_SERVER`, `profile NAME` or `default`.
        profile: the profile that it is of, None if of none.
        chosen_by: the file or variable that chose the profile, "" if an argument did.
    """

    address: str
    origin: str
    profile: str | None = None
    chosen_by: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is this user's own service, which starts by itself."""
        return not self.address


class Found(NamedTuple):
    """A setting's value, and who says so: a variable's name, a file's path, or `default`."""

    value: Any
    origin: str

    @property
    def is_default(self) -> bool:
        return self.origin == DEFAULT


class Config:
    """This user's settings as they are in one directory; files are read when first asked for.

    The environment goes over the project's file, that over the user's own; in the latter, what a
    profile says goes over what stands outside of profiles.

    Args:
        directory: where the search for a project's file begins; None: the current one.
    """

    def __init__(self, directory: str | None = None) -> None:
        self._directory = directory

    @cached_property
    def user(self) -> SettingsFile | None:
        """The user's own file, None if there is none.

        Raises:
            ConfigError: it cannot be read or understood.
        """
        path = config_file()
        if not os.path.lexists(path):
            return None
        # imported where there is something to read: it takes longer than looking
        from kotta.config_files import read

        return read(path)

    @cached_property
    def project(self) -> SettingsFile | None:
        """The project's file, None if there is none, or none that is believed.

        Raises:
            ConfigError: it cannot be read or understood.
        """
        path = project_file.find(self._directory)
        if path is None or project_file.reason_to_ignore(path):
            return None
        from kotta.config_files import read

        return read(Path(path), is_project=True)

    @property
    def profiles(self) -> dict[str, str]:
        """Profile names and the addresses of their servers ("" or `local`: the local service)."""
        found = self.user.profiles if self.user is not None else {}
        return {name: values.get("server", "") for name, values in found.items()}

    def find(self, name: str, profile: str | None = None) -> Found:
        """What a setting is, and who says so.

        Args:
            name: one of `kotta.settings.SETTINGS`.
            profile: the profile whose own value counts.

        Raises:
            ConfigError: its value makes no sense.
        """
        setting, path = settings.SETTINGS[name], settings.path_of(name)
        if given := os.environ.get(settings.variable(name)):
            return Found(parsed(settings.variable(name), setting, given), settings.variable(name))
        if self.project is not None and path in self.project.values:
            return Found(self.project.values[path], str(self.project.path))
        if self.user is not None:
            own = (settings.PROFILES, profile or "", name)
            for place in (own, path):
                if place in self.user.values:
                    return Found(self.user.values[place], str(self.user.path))
        return Found(setting.default, DEFAULT)

    def server(self, server: str | None = None, profile: str | None = None) -> Server:
        """The service that is meant; see `find_server`."""
        if server:
            return Server(_checked(server, "server"), "argument")
        if not profile and (address := os.environ.get("KOTTA_SERVER")):
            return Server(_checked(address, "KOTTA_SERVER"), "KOTTA_SERVER")
        chosen = Found(profile, "") if profile else self.find("profile")
        name = chosen.value
        if not name:
            return Server("", DEFAULT)
        found = self.profiles
        if name not in found:
            by = f", which {chosen.origin} asks for" if chosen.origin else ""
            known = f"yours are {', '.join(sorted(found))}; " if found else ""
            raise ConfigError(
                f"there is no profile `{name}`{by}",
                hint=f"{known}`kotta config set profiles.{name}.server https://…` makes it",
            )
        address = _checked(found[name], f"profile {name}")
        return Server(address, f"profile {name}", name, chosen.origin)


def find_server(server: str | None = None, profile: str | None = None) -> Server:
    """The service that is meant.

    What was asked for in so many words comes first (`server`, then `profile`), then the
    environment (KOTTA_SERVER, then KOTTA_PROFILE), then the setting `profile` of the project's
    file and of the user's, then the local service.

    Raises:
        ConfigError: the address cannot be understood, there is no such profile, or a file makes no
            sense.
    """
    return Config().server(server, profile)


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


def parsed(origin: str, setting: settings.Setting, word: str) -> Any:
    """The value that was typed as this word.

    Raises:
        ConfigError: it is none that the setting may have.
    """
    try:
        value = setting.parse(word)
    except ValueError:
        value = None
    if words := setting.check(value):
        raise ConfigError(f"{origin}: `{word}` {words}")
    return value


def _checked(address: str, origin: str) -> str:
    words = addresses.problem(address)
    if words:
        raise ConfigError(f"{origin}: `{address}` {words}", hint=addresses.HINT)
    return "" if address == "local" else addresses.canonical(address)
