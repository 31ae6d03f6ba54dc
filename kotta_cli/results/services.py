"""Shapes of services and logins."""

from __future__ import annotations

from datetime import datetime

# pydantic reads no other before Python 3.12
from typing_extensions import TypedDict

from kotta.models import ServiceInfo


class ServiceState(TypedDict):
    """Whether the local service runs.

    Attributes:
        service: the service itself, null if it does not run.
    """

    running: bool
    service: ServiceInfo | None


class ServiceStopped(TypedDict):
    """What became of the local service.

    Attributes:
        stopped: false if it was not running.
    """

    stopped: bool


class ServiceLogLine(TypedDict):
    """A line of the local service's log.

    Attributes:
        text: without its end.
    """

    text: str


class Served(TypedDict):
    """What a service would serve.

    Attributes:
        url: what users type.
        certificate_ends_at: when the TLS certificate expires, null where it speaks no TLS.
        login: the ways to log in: `accounts`, and providers by name.
        queues: how the jobs of each queue are isolated.
    """

    url: str
    host: str
    port: int
    certificate_ends_at: datetime | None
    trusted_proxies: list[str]
    login: list[str]
    data_directory: str
    queues: dict[str, str]


class ServeCheck(TypedDict):
    """What `--check` finds in the settings of a service.

    Attributes:
        problems: what has to be changed before it is served, in sentences.
        warnings: what should be seen to.
        serves: null if there are problems.
    """

    problems: list[str]
    warnings: list[str]
    serves: Served | None


class LoginState(TypedDict):
    """What commands talk to, and whether it wants a login.

    Attributes:
        server: `local`, or an address.
        origin: who chose it: `argument`, `KOTTA_SERVER`, `profile NAME` or `default`.
    """

    login_needed: bool
    server: str
    origin: str


class LoggedIn(TypedDict):
    """A login that was made.

    Attributes:
        server: address of the service.
        user: the user's name there.
        profile: the profile that commands use now.
        kept_in: `keyring` or `file`.
    """

    login_needed: bool
    server: str
    user: str
    profile: str
    kept_in: str


class LoggedOut(TypedDict):
    """What became of a login.

    Attributes:
        server: `local`, or an address.
        logged_out: false if there was none.
    """

    server: str
    logged_out: bool


class BackupFile(TypedDict):
    """The archive that was made.

    Attributes:
        path: its absolute path.
    """

    path: str
    size_bytes: int
