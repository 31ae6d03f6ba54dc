"""The settings there are and what each may hold; where values are found is `kotta.config`'s affair.

A setting has one name everywhere: in files (`[list]` and `limit` make `list.limit`), in
`kotta config`, and in the environment (`KOTTA_LIST_LIMIT`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from kotta import addresses

Check = Callable[[Any], str]


class Setting(NamedTuple):
    """One setting.

    Attributes:
        help: what it does, in a sentence.
        check: says in a sentence what is wrong with a value, "" if nothing is.
        parse: makes a value of a word that was typed; ValueError where it cannot.
        default: its value where nobody has set it; None: none.
        in_profile: whether a profile may have its own.
    """

    help: str
    check: Check
    parse: Callable[[str], Any] = str
    default: Any = None
    in_profile: bool = False


def _text(value: Any) -> str:
    # A line break or a control character in a name is a mistake, and would be one in a header.
    is_fine = isinstance(value, str) and value.strip() == value != "" and value.isprintable()
    return "" if is_fine else 'must be text on one line, such as "lab"'


def _minutes(value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_fine = is_number and math.isfinite(value) and value > 0
    return "" if is_fine else "must be a number of minutes, such as 30"


def _count(value: Any) -> str:
    is_fine = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return "" if is_fine else "must be a whole number, 1 or more"


def _names(value: Any) -> str:
    is_fine = isinstance(value, list) and value and all(_text(item) == "" for item in value)
    return "" if is_fine else 'must be a list of names, such as ["id", "name"]'


def _server(value: Any) -> str:
    if not isinstance(value, str):
        return 'must be an address, such as "https://kotta.example.org"'
    return addresses.problem(value)


def _number(word: str) -> float:
    number = float(word)
    return int(number) if number.is_integer() else number


def _listed(word: str) -> list[str]:
    return [part.strip() for part in word.split(",") if part.strip()]


SETTINGS = {
    "profile": Setting("Profile that commands use: one of [profiles].", _text),
    "queue": Setting("Queue of jobs that name none.", _text, default="Test", in_profile=True),
    "walltime": Setting(
        "Minutes that jobs may run that do not say.",
        _minutes,
        _number,
        default=300,
        in_profile=True,
    ),
    "list.fields": Setting("Columns of `kotta list`.", _names, _listed),
    "list.limit": Setting("How many jobs `kotta list` shows.", _count, int, default=100),
}
"""Name → what it is."""

SERVER = Setting("Where a profile's service is: https://host, unix:/path or local.", _server)
IN_PROFILE = {
    "server": SERVER,
    **{name: setting for name, setting in SETTINGS.items() if setting.in_profile},
}
"""What stands below `[profiles.NAME]`."""
PROFILES = "profiles"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return "KOTTA_" + name.replace(".", "_").upper()


def path_of(name: str) -> tuple[str, ...]:
    """Where in a file a setting stands; a profile's name may hold dots."""
    if not name.startswith(f"{PROFILES}."):
        return tuple(name.split("."))
    profile, _, below = name.removeprefix(f"{PROFILES}.").rpartition(".")
    return (PROFILES, profile, below) if profile else (PROFILES, below)


def name_of(path: tuple[str, ...]) -> str:
    """The name of what stands there in a file."""
    return ".".join(path)


def setting_at(path: tuple[str, ...]) -> Setting | None:
    """The setting that stands there in a file, None if there is none."""
    if path[0] == PROFILES:
        return IN_PROFILE.get(path[2]) if len(path) == 3 and path[1] else None
    return SETTINGS.get(name_of(path))


def nearest(name: str) -> str | None:
    """The name of a setting that is most like `name`, None where none is."""
    import difflib

    path = path_of(name)
    if path[0] == PROFILES and len(path) == 3:
        near = difflib.get_close_matches(path[2], IN_PROFILE, n=1, cutoff=0.5)
        return name_of((*path[:2], near[0])) if near else None
    found = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.5)
    return found[0] if found else None
