"""`--json FIELDS`: which fields of what a command prints are wanted.

Which fields there are is read from the command's schema, so that a wrong one is refused before
anything has happened. Whether the word after `--json` names fields or is an argument is told by the
words themselves: it names fields if each of its parts is one, and is meant to if it cannot be an
argument. What could be either is written `--json=FIELDS`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from kotta_cli.parameters import UsageProblem, nearest

_SCHEMAS = os.path.join(os.path.dirname(__file__), "schemas")
_TAKE_A_VALUE = ("-p", "--profile", "--server")


def split(arguments: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The command line with a bare `--json`, and the fields that it named.

    Raises:
        UsageProblem: what this command prints has no such field.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for place, word in enumerate(arguments[:end]):
        if word.startswith("--json="):
            wanted = _parts(word.removeprefix("--json="))
            _check(wanted, known_fields(arguments[:place]))
            return [*arguments[:place], "--json", *arguments[place + 1 :]], wanted
        if word == "--json" and place + 1 < end:
            wanted = _parts(arguments[place + 1])
            known = known_fields(arguments[:place])
            if wanted and all(name in known for name in wanted):
                return [*arguments[: place + 1], *arguments[place + 2 :]], wanted
            if _is_no_argument(arguments, place + 1, known):
                _check(wanted, known)
    return arguments, ()


def misread(arguments: Sequence[str], word: str) -> UsageProblem | None:
    """What is wrong with a word that the command has no use for, if it stands where fields do."""
    if "--json" not in arguments:
        return None
    place = arguments.index("--json")
    if arguments[place + 1 : place + 2] != [word]:
        return None
    known = known_fields(arguments[:place])
    missing = [name for name in _parts(word) if name not in known]
    return _no_field(missing[0], known) if missing else None


def chosen(value: Any, fields: tuple[str, ...]) -> Any:
    """An object with these fields alone, or each object of a list so.

    Of the shapes that a command prints, not each has every field; one that is missing is null.
    """
    if not fields:
        return value
    if isinstance(value, list):
        return [chosen(item, fields) for item in value]
    return {name: value.get(name) for name in fields}


def known_fields(words: Sequence[str]) -> list[str]:
    """The fields of what the command prints that a command line of these words calls."""
    path: list[str] = []
    before = ""
    for word in words:
        if not word.startswith("-") and before not in _TAKE_A_VALUE:
            path.append(word)
        before = word
    names = os.listdir(_SCHEMAS)
    # `kotta service status` before `kotta service`; arguments follow the one or the other
    for name in (f"{'-'.join(path[:count])}.json" for count in (3, 2, 1)):
        if name in names:
            with open(os.path.join(_SCHEMAS, name), encoding="utf-8") as file:
                schema = json.load(file)
            return fields_in(schema)
    return []


def fields_in(schema: dict[str, Any]) -> list[str]:
    """The fields of what a schema describes, each once."""
    return list(dict.fromkeys(_fields(schema, schema["$defs"])))


def _fields(schema: dict[str, Any], objects: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from _fields(objects[schema["$ref"].rpartition("/")[2]], objects)
    for each in schema.get("anyOf", ()):
        yield from _fields(each, objects)
    if "items" in schema:
        yield from _fields(schema["items"], objects)
    yield from schema.get("properties", ())


def _is_no_argument(arguments: Sequence[str], place: int, known: list[str]) -> bool:
    """Whether the word at `place` must be meant as fields, though not all of it is."""
    word = arguments[place]
    if word.startswith("-"):
        return False
    if "," in word and any(name in known for name in _parts(word)):
        return True
    # with a command behind `--`, a job is described by it alone or by a file that there is
    is_described = "submit" in arguments[:place] and "--" in arguments
    return is_described and not os.path.lexists(word)


def _check(wanted: tuple[str, ...], known: list[str]) -> None:
    for name in wanted:
        if name not in known:
            raise _no_field(name, known)


def _no_field(name: str, known: list[str]) -> UsageProblem:
    near = nearest(name, known)
    hint = f"did you mean `{near}`?" if near else ""
    hint = hint or (f"one of: {', '.join(known)}" if known else "")
    return UsageProblem(f"what this prints has no field `{name}`", hint=hint)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
