"""`#KOTTA name: value` lines at the head of a script: its description, where the script is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kotta.errors import FieldProblem
from kotta.places import Place

_LINE = re.compile(r"^\s*(?:#|//|--|%)\s?KOTTA\b[ \t]?(.*)$")
_COMMENT = re.compile(r"^\s*(?:$|#|//|--|%)")
_INTERPRETERS = {
    ".py": "python3",
    ".sh": "/bin/bash",
    ".bash": "/bin/bash",
    ".r": "Rscript",
    ".jl": "julia",
    ".pl": "perl",
    ".rb": "ruby",
    ".js": "node",
}
"""What runs a script that does not say so in its first line, by the end of its name."""


@dataclass(frozen=True)
class ScriptHead:
    """What a script says of itself.

    Attributes:
        fields: of a description.
        places: where each stands in the script, by JSON Pointer.
        problems: what is wrong with the lines themselves.
    """

    fields: dict[str, Any]
    places: dict[str, Place]
    problems: list[FieldProblem]


def read_head(script: str) -> ScriptHead:
    """The description in a script's head: its first lines, as long as they are comments."""
    matches = dict(_head_lines(script))
    if not matches:
        return ScriptHead({}, {}, [])
    # PyYAML takes long to import, and most scripts have no head
    from kotta.yaml_text import YamlError, parse

    numbers, columns = list(matches), [match.start(1) for match in matches.values()]

    def moved(place: Place) -> Place:
        row = min(place[0], len(numbers)) - 1
        return numbers[row], place[1] + columns[row]

    def in_script(problem: FieldProblem) -> FieldProblem:
        row, column = moved((problem.line or 1, problem.column or 1))
        return replace(problem, line=row, column=column)

    try:
        text = parse("\n".join(match[1] for match in matches.values()))
    except YamlError as error:
        return ScriptHead({}, {}, [in_script(error.problem)])
    if not isinstance(text.value, dict):
        words = "a #KOTTA line is written `#KOTTA name: value`"
        return ScriptHead({}, {}, [FieldProblem("", words, "", numbers[0], columns[0] + 1)])
    places = {pointer: moved(place) for pointer, place in text.places.items()}
    return ScriptHead(text.value, places, [in_script(problem) for problem in text.problems])


def has_head(script: str) -> bool:
    """Whether a script has `#KOTTA` lines."""
    return any(True for _ in _head_lines(script))


def runs_by_its_name(name: str) -> bool:
    """Whether the end of a file's name tells what runs it."""
    return _ending(name) in _INTERPRETERS


def interpreter(script: str, name: str) -> str:
    """What to run a script with, "" if it says so itself by `#!` or its name does not tell."""
    if script.startswith("#!"):
        return ""
    return _INTERPRETERS.get(_ending(name), "")


def _head_lines(script: str) -> Iterator[tuple[int, re.Match[str]]]:
    for number, line in enumerate(script.splitlines(), 1):
        if match := _LINE.match(line):
            yield number, match
        elif not _COMMENT.match(line):
            break


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()
