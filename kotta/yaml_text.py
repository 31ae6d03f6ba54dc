"""Reads YAML, and knows where in the text each value stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from kotta.errors import FieldProblem

Place = tuple[int, int]
"""Line and column, from 1."""
MAX_NODES = 200_000
MAX_DEPTH = 50


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


def parse(text: str) -> YamlText:
    """Understands one document.

    Raises:
        YamlError: it is no YAML, has aliases (which a few characters can make huge), or is nested
            too deeply.
    """
    loader = yaml.SafeLoader(text)
    try:
        for token_count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            if isinstance(event, yaml.AliasEvent) or token_count > MAX_NODES:
                raise _wrong("aliases (`*name`) are not understood", event.start_mark)
        node = loader.get_single_node()
        if node is None:
            return YamlText(None, {}, [])
        places: dict[str, Place] = {}
        problems: list[FieldProblem] = []
        _walk(node, "", places, problems, 0)
        return YamlText(loader.construct_document(node), places, problems)
    except yaml.MarkedYAMLError as error:
        words = error.problem or "is not YAML"
        raise _wrong(words, error.problem_mark or error.context_mark) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, YamlError):
            raise
        words = str(error).split("\n")[0] or type(error).__name__
        raise YamlError(FieldProblem("", words)) from None
    finally:
        loader.dispose()


def _walk(
    node: Any, pointer: str, places: dict[str, Place], problems: list[FieldProblem], depth: int
) -> None:
    if depth > MAX_DEPTH:
        raise _wrong("is nested too deeply", node.start_mark)
    places[pointer] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = str(key.value).replace("~", "~0").replace("/", "~1")
            below = f"{pointer}/{name}"
            if name in seen:
                line, column = key.start_mark.line + 1, key.start_mark.column + 1
                problems.append(FieldProblem(below, "stands there twice; one of them would be "
                                             "ignored", "", line, column))  # fmt: skip
            seen.add(name)
            _walk(value, below, places, problems, depth + 1)
            # where a person looks is the line of its name
            places[below] = (key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, f"{pointer}/{index}", places, problems, depth + 1)


def _wrong(words: str, mark: Any) -> YamlError:
    if mark is None:
        return YamlError(FieldProblem("", words))
    return YamlError(FieldProblem("", words, "", mark.line + 1, mark.column + 1))
