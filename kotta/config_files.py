"""The files that settings stand in: where they are, what they say, and what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kotta import settings
from kotta.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1 << 20

Place = tuple[str, ...]


@dataclass(frozen=True)
class SettingsFile:
    """A file that was read and makes sense.

    Attributes:
        values: by their place, such as `("list", "limit")`; empty tables too, as `{}`.
    """

    path: Path
    values: Mapping[Place, Any]

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """What each profile says, by its name."""
        found: dict[str, dict[str, Any]] = {}
        for place, value in self.values.items():
            if place[0] == settings.PROFILES and len(place) > 1:
                below = found.setdefault(place[1], {})
                if len(place) == 3:
                    below[place[2]] = value
        return found


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file; `line` is None where it cannot be told."""

    line: int | None
    detail: str
    hint: str = ""


def read(path: Path, *, is_project: bool = False) -> SettingsFile | None:
    """What a file says, None if there is none.

    Raises:
        ConfigError: it cannot be read, or says what makes no sense; names each line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    values, problems = understand(content, is_project=is_project)
    if problems:
        raise refusal(path, problems)
    return SettingsFile(path, values)


def understand(
    content: bytes, *, is_project: bool = False
) -> tuple[dict[Place, Any], list[Problem]]:
    """What a file's content says, and everything that is wrong with it."""
    if len(content) > MAX_BYTES:
        return {}, [Problem(None, f"is larger than {MAX_BYTES >> 20} MiB")]
    try:
        text = content.decode("utf-8")
        values = dict(_flat(tomllib.loads(text)))
    except UnicodeDecodeError:
        return {}, [Problem(None, "is not TOML: it is no UTF-8 text")]
    except tomllib.TOMLDecodeError as error:
        words, _, place = str(error).partition(" (at line ")
        number = place.partition(",")[0]
        line = int(number) if number.isdigit() else text.count("\n") + 1
        return {}, [Problem(line, f"is not TOML: {words[:1].lower()}{words[1:]}")]
    except RecursionError:
        return {}, [Problem(None, "is nested too deeply")]
    problems = [
        Problem(_line_of(text, place), detail, hint)
        for place, value in values.items()
        for detail, hint in _wrong(place, value, is_project=is_project)
    ]
    return values, problems


def refusal(path: Path, problems: list[Problem]) -> ConfigError:
    """The error that says all this of a file."""
    first = problems[0]
    if len(problems) == 1:
        return ConfigError(f"{_place(path, first)} {first.detail}", hint=first.hint)
    lines = [f"{path} has {len(problems)} problems"]
    for problem in problems:
        hint = f" ({problem.hint})" if problem.hint else ""
        lines.append(f"  {_place(path, problem)} {problem.detail}{hint}")
    return ConfigError("\n".join(lines), hint="kotta config edit")


def _place(path: Path, problem: Problem) -> str:
    return f"{path}:" if problem.line is None else f"{path}:{problem.line}:"


def _flat(table: Mapping[str, Any], above: Place = ()) -> Iterator[tuple[Place, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value and len(above) < 2:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _wrong(place: Place, value: Any, *, is_project: bool) -> Iterator[tuple[str, str]]:
    name = settings.name_of(place)
    if is_project and place[0] == settings.PROFILES:
        hint = "define it in your own file: kotta config path shows where"
        yield f"`{name}`: a project cannot define a profile", hint
        return
    if place[0] == settings.PROFILES and len(place) < 3:
        if value != {}:
            yield f"`{name}` must hold a table such as [profiles.lab]", ""
        return
    if value == {} and any(known.startswith(f"{name}.") for known in settings.SETTINGS):
        return
    setting = settings.setting_at(place)
    if setting is None:
        near = settings.nearest(name)
        known = f"settings are {', '.join(settings.SETTINGS)}"
        yield f"`{name}` is no setting", f"did you mean `{near}`?" if near else known
    elif words := setting.check(value):
        yield f"`{name}` {words}", ""


def _line_of(text: str, wanted: Place) -> int | None:
    """The line that a value stands in, from 1; that of its table where it is written otherwise."""
    table: Place = ()
    best: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("["):
            table = _key_of(line.partition("#")[0])
            if table and table == wanted[: len(table)]:
                best = number
        elif "=" in line and (place := (*table, *_key_of(line.partition("=")[0] + "=0"))):
            if place == wanted:
                return number
            if place == wanted[: len(place)]:
                best = number
    return best


def _key_of(line: str) -> Place:
    try:
        found = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()  # a line within a longer value
    place: Place = ()
    while isinstance(found, dict) and found:
        key = next(iter(found))
        place, found = (*place, key), found[key]
    return place
