"""Reads YAML as YAML 1.2 has it, and knows where in the text each value stands.

PyYAML alone reads YAML 1.1, in which `no` is false, `1:30` is ninety and `1e-3` is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from kotta.errors import FieldProblem
from kotta.places import Place

MAX_NODES = 200_000
MAX_DEPTH = 50
_CLEARER = {
    "'\\t'": "a tab stands here, and YAML is indented by spaces",
    "found another document": "a second document begins here; a list describes many jobs",
    "mapping values are not": "a second `:` stands here; a text that holds `: ` needs quotes",
}
"""What PyYAML says, and what is meant by it."""
MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class YamlText:
    """What a text says.

    Attributes:
        places: where each value stands, by JSON Pointer; of a repeated key, the last.
        problems: keys that stand there twice.
    """

    value: Any
    places: dict[str, Place]
    problems: list[FieldProblem]


class YamlError(ValueError):
    """The text is not YAML, or more than a description may be; `problem` says where."""

    def __init__(self, problem: FieldProblem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class _Loader(yaml.SafeLoader):
    """Makes of plain words what YAML 1.2 says; names are always text."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        found = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _wrong("a name must be a word", key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found


def _read_whole(loader: _Loader, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0 if text.startswith(("0x", "0o")) else 10)


# Source: YAML 1.2.2, 10.3.2, the core schema; `<<` is YAML 1.1's, and people use it.
for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("float", r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+.")),
    ("merge", r"<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _read_whole)


def parse(text: str) -> YamlText:
    """Understands one document.

    Raises:
        YamlError: it is no YAML, is nested too deeply, or its aliases make it too large.
    """
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise YamlError(_unreadable(text, error.position)) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return YamlText(None, {}, [])
        walk = _Walk()
        walk.over(node, "", 0)
        return YamlText(loader.construct_document(node), walk.places, walk.problems)
    except yaml.MarkedYAMLError as error:
        raise _wrong(_words(error), error.problem_mark or error.context_mark) from None
    except RecursionError:
        raise YamlError(FieldProblem("", "is nested too deeply")) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        if isinstance(error, YamlError):
            raise
        words = str(error).split("\n")[0] or type(error).__name__
        raise YamlError(FieldProblem("", words)) from None
    finally:
        loader.dispose()


class _Walk:
    """Goes through all that a text says, aliases as often as they are used."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.problems: list[FieldProblem] = []
        self._count = 0

    def over(self, node: Any, pointer: str, depth: int) -> None:
        self._count += 1
        if depth > MAX_DEPTH:
            raise _wrong("is nested too deeply", node.start_mark)
        if self._count > MAX_NODES:
            # a few lines of aliases to aliases can stand for more than any memory holds
            raise _wrong(f"holds more than {MAX_NODES} values", node.start_mark)
        self.places[pointer] = _place(node)
        if isinstance(node, yaml.MappingNode):
            self._over_mapping(node, pointer, depth)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.over(item, f"{pointer}/{index}", depth + 1)

    def _over_mapping(self, node: Any, pointer: str, depth: int) -> None:
        own = {}
        for key, value in node.value:
            if key.tag == MERGE:
                # what is merged lies where it is written, and own values go over it
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    self.over(source, pointer, depth + 1)
                continue
            name = str(key.value).replace("~", "~0").replace("/", "~1")
            below = f"{pointer}/{name}"
            if name in own:
                words = "stands there twice; one of them would be ignored"
                self.problems.append(FieldProblem(below, words, "", *_place(key)))
            own[name] = key
            self.over(value, below, depth + 1)
        self.places[pointer] = _place(node)
        # where a person looks is the line of its name
        self.places.update((f"{pointer}/{name}", _place(key)) for name, key in own.items())


def _place(node: Any) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _unreadable(text: str, position: int) -> FieldProblem:
    before = text[:position]
    line, column = before.count("\n") + 1, position - before.rfind("\n")
    words = f"holds the control character U+{ord(text[position]):04X}"
    return FieldProblem("", words, "", line, column)


def _words(error: Any) -> str:
    words = error.problem or "is not YAML"
    for said, meant in _CLEARER.items():
        if said in words:
            return meant
    if error.context and "expected" in words:
        return f"{error.context}: {words}"
    return str(words)


def _wrong(words: str, mark: Any) -> YamlError:
    if mark is None:
        return YamlError(FieldProblem("", words))
    return YamlError(FieldProblem("", words, "", mark.line + 1, mark.column + 1))
