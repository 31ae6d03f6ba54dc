"""Where things stand in a JSON text. What they should have been is not known here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

Place = tuple[int, int]
"""Line and column, from 1."""
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_VALUE, _KEY, _REPEATED = range(3)


class Places:
    """Offsets of keys and values in a text that is known to be valid JSON.

    Only the pointers asked for (RFC 6901) and what encloses them are looked up, so that a large
    text costs one look at its tokens and little memory.
    """

    def __init__(self, text: str, pointers: Iterable[str]) -> None:
        wanted = {""}
        for pointer in pointers:
            while pointer:
                wanted.add(pointer)
                pointer = pointer.rpartition("/")[0]
        depth = max(pointer.count("/") for pointer in wanted)
        self._keys: dict[str, int] = {}
        self._values: dict[str, int] = {}
        for kind, path, offset in _walk(text):
            if len(path) <= depth and (pointer := _join(path)) in wanted:
                (self._values if kind == _VALUE else self._keys)[pointer] = offset

    def of_value(self, pointer: str) -> int:
        """Where that value begins, or if there is none, what would enclose it."""
        while pointer not in self._values and pointer:
            pointer = pointer.rpartition("/")[0]
        return self._values.get(pointer, 0)

    def of_key(self, pointer: str) -> int:
        """Where that value's name stands, the last time if it does so twice."""
        return self._keys.get(pointer, self.of_value(pointer))


def repeated_keys(text: str, limit: int) -> list[str]:
    """Pointers of names that their object has already, `limit` at most."""
    found: dict[str, None] = {}
    for kind, path, _ in _walk(text):
        if kind == _REPEATED:
            found[_join(path)] = None
            if len(found) == limit:
                break
    return list(found)


def _walk(text: str) -> Iterator[tuple[int, list[str | int], int]]:
    """Every key and value in order, with the path to it (which changes afterwards) and offset."""
    path: list[str | int] = []  # the key or index at each level
    names: list[set[str]] = []  # seen so far in each object that we are in
    awaits_key = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == ",":
            if isinstance(path[-1], int):
                path[-1] += 1
            else:
                awaits_key = True
        elif token == ":":
            awaits_key = False
        elif token in "}]":
            path.pop()
            awaits_key = False
            if token == "}":
                names.pop()
        elif awaits_key:
            name = json.loads(token)
            path[-1] = name
            yield (_REPEATED if name in names[-1] else _KEY), path, match.start()
            names[-1].add(name)
        else:
            yield _VALUE, path, match.start()
            if token == "{":
                path.append("")
                names.append(set())
                awaits_key = True
            elif token == "[":
                path.append(0)


def _join(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
