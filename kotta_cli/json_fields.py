"""`--json FIELDS`: which fields of what a command prints are wanted.

Which fields there are is read from the command's schema, so that a wrong one is refused before
anything has happened. Whether the word after `--json` names fields or is an argument is told by the
words themselves: it names fields if each of its parts is one. What could be either is written
`--json=FIELDS`.
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
    return arguments, ()


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


def _check(wanted: tuple[str, ...], known: list[str]) -> None:
    for name in wanted:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean `{near}`?" if near else ""
            hint = hint or (f"one of: {', '.join(known)}" if known else "")
            raise UsageProblem(f"what this prints has no field `{name}`", hint=hint)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
