"""Where settings come from: what a TOML file and the environment say, and which of them is wrong.

Knows no setting by name: what there is, the models say that it is given.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from kotta.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Place = tuple[str, ...]
"""Where a setting stands, such as `("queues", "Lab", "cpus")`."""
PREFIX = "KOTTA_SERVICE"
_NO_SETTING = frozenset({"KOTTA_SERVICE_SETTINGS"})
_HEADER = re.compile(r"\s*(\[[^\]]+\])\s*(#.*)?$")
_KEY = re.compile(r"\s*([^=#\[]+?)\s*=")


def read(path: Path, *, is_needed: bool) -> tuple[dict[str, Any], str]:
    """What a file says, and its text.

    Raises:
        ConfigError: it cannot be read or is no TOML, or is not there and `is_needed`.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except FileNotFoundError:
        if is_needed:
            raise ConfigError(f"there is no settings file {path}") from None
        return {}, ""
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def variables(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[tuple[str, Place]]:
    """The variable of each setting, with its place; NAME stands for a table's own name."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}_{name.upper()}"
        below, is_named = _table(field.annotation)
        if below is None or is_named or field.annotation is not below:
            yield variable, (name,)
        if below is not None:
            above = (name, "NAME") if is_named else (name,)
            own = f"{variable}_NAME" if is_named else variable
            for each, place in variables(below, own):
                yield each, (*above, *place)


def lay_over(
    values: dict[str, Any], model: type[BaseModel], environment: Mapping[str, str]
) -> dict[Place, str]:
    """Puts what the environment says over `values`.

    Returns:
        Which variable said what stands at a place.

    Raises:
        ConfigError: a variable is not JSON where it has to be, or names no setting.
    """
    said: dict[Place, str] = {}
    known = list(variables(model))
    given = {
        name: text
        for name, text in environment.items()
        if name.startswith(f"{PREFIX}_") and name not in _NO_SETTING and text
    }
    # whole tables first, then what stands in them
    for name, text in sorted(given.items()):
        place = _place_of(name, known, values)
        if place is None:
            stated = [each for each, _ in known]
            near = [each for each in stated if each.startswith(f"{name}_")]
            near += difflib.get_close_matches(name, stated, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{name} is no setting of the service", hint=hint)
        table = values
        for part in place[:-1]:
            # what is no table is told of as that
            below = table.get(part)
            table[part] = table = dict(below) if isinstance(below, dict) else {}
        table[place[-1]] = _value(name, text, _annotation(model, place))
        said[place] = name
    return said


def refusal(
    error: ValidationError, model: type[BaseModel], path: Path, text: str, said: Mapping[Place, str]
) -> ConfigError:
    """The error that tells of each wrong setting: who says it, where, and what there is."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        place = tuple(str(part) for part in item["loc"] if part != "[key]")
        origin = _origin(place, path, text, said)
        words, hint = _words(item, model, place)
        lines.append((f"{origin}: {_named(place)} {words}", hint))
    if len(lines) == 1:
        return ConfigError(lines[0][0], hint=lines[0][1])
    told = [f"  {words}" + (f" ({hint})" if hint else "") for words, hint in lines]
    return ConfigError("\n".join([f"{len(lines)} settings of the service are wrong", *told]))


def _place_of(
    variable: str, known: list[tuple[str, Place]], values: Mapping[str, Any]
) -> Place | None:
    """The place of what a variable sets, None for none."""
    for name, place in known:
        if "NAME" not in place:
            if name == variable:
                return place
            continue
        before, after = name.split("_NAME_")
        if not (variable.startswith(f"{before}_") and variable.endswith(f"_{after}")):
            continue
        own = variable[len(before) + 1 : -len(after) - 1]
        if own:
            at = place.index("NAME")
            table: Any = values
            for part in place[:at]:
                table = table.get(part, {}) if isinstance(table, dict) else {}
            return (*place[:at], _known_as(own, table), *place[at + 1 :])
    return None


def _known_as(own: str, table: Any) -> str:
    """What a table of the file is called that a variable means; a new one as it is written."""
    for name in table if isinstance(table, dict) else ():
        if own in (name, name.upper().replace("-", "_")):
            return str(name)
    return own


def _value(variable: str, text: str, annotation: Any) -> Any:
    if not _is_nested(annotation):
        return text  # pydantic understands numbers and booleans itself
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{variable} is not JSON: {error}") from error


def _is_nested(annotation: Any) -> bool:
    if get_origin(annotation) in (list, dict) or _table(annotation)[0] is not None:
        return True
    return any(_is_nested(each) for each in get_args(annotation))


def _table(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model of a table, and whether it is one of several that have names of their own."""
    # before Python 3.11 `list[str]` counts as a type
    if get_origin(annotation) is None and isinstance(annotation, type):
        return (annotation if issubclass(annotation, BaseModel) else None), False
    is_named = get_origin(annotation) is dict
    for each in () if get_origin(annotation) is list else get_args(annotation):
        below, is_deeper = _table(each)
        if below is not None:
            return below, is_named or is_deeper
    return None, False


def _annotation(model: type[BaseModel], place: Place) -> Any:
    field = model.model_fields[place[0]]
    below, is_named = _table(field.annotation)
    rest = place[2:] if is_named else place[1:]
    return _annotation(below, rest) if below is not None and rest else field.annotation


def _fields(model: type[BaseModel], place: Place) -> list[str]:
    """The settings beside the one at a place."""
    if len(place) < 2 or place[0] not in model.model_fields:
        return list(model.model_fields)
    below, is_named = _table(model.model_fields[place[0]].annotation)
    return _fields(below, place[2 if is_named else 1 :]) if below is not None else []


def _words(item: Any, model: type[BaseModel], place: Place) -> tuple[str, str]:
    if item["type"] == "extra_forbidden":
        fields = _fields(model, place)
        near = difflib.get_close_matches(place[-1], fields, n=1, cutoff=0.6)
        return "is no setting", f"did you mean `{near[0]}`?" if near else f"{', '.join(fields)}"
    if item["type"] == "missing":
        return "is missing", ""
    if item["type"] == "value_error":
        return f"cannot be: {item['ctx']['error']}", ""
    message = str(item["msg"]).removeprefix("Input ")
    return f"{message[:1].lower()}{message[1:]}", ""


def _named(place: Place) -> str:
    """A setting as a person finds it in a file: `[queues.Lab] cpus`."""
    keys = [part for part in place if not part.isdigit()]
    return f"[{'.'.join(keys[:-1])}] {keys[-1]}" if len(keys) > 1 else ".".join(keys)


def _origin(place: Place, path: Path, text: str, said: Mapping[Place, str]) -> str:
    """Who says what stands at a place: a variable, or a file with the line."""
    lines = _lines(text)
    for length in range(len(place), 0, -1):
        start = place[:length]
        if start in said:
            return said[start]
        if start in lines:
            return f"{path}:{lines[start]}"
    return str(path)


def _lines(text: str) -> dict[Place, int]:
    """The line of each setting and table of a file; what is written oddly is left out."""
    found: dict[Place, int] = {}
    above: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            above = _path(header[1])
            found.setdefault(above, number)
        elif key := _KEY.match(line):
            found.setdefault((*above, *_path(f"{key[1]} = 0")), number)
    return found


def _path(text: str) -> Place:
    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return ()
    path = []
    while isinstance(table, dict) and table:
        key, table = next(iter(table.items()))
        path.append(key)
    return tuple(path)
