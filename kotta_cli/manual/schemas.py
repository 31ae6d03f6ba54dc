"""JSON Schemas of what commands print, made from `kotta_cli.results`."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from pydantic import TypeAdapter

from kotta import models
from kotta.models import accounts, upkeep
from kotta_cli import results
from kotta_cli.results import files, jobs, problems, services, settings

Schema = dict[str, Any]
ERROR = "error"
"""Stands among the commands for what every command says of an error."""


def schemas() -> dict[str, Schema]:
    """Command → the schema of what it prints with `--json`."""
    made = {path: _schema(f"kotta {path}", shape) for path, shape in results.RESULTS.items()}
    return {**made, ERROR: _schema("an error", results.Problem)}


def file_name(path: str) -> str:
    """The file that holds the schema of a command."""
    return path.replace(" ", "-") + ".json"


def text_of(schema: Schema) -> str:
    """The schema as its file has it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _schema(title: str, shape: Any) -> Schema:
    made = TypeAdapter(shape).json_schema(mode="serialization")
    objects: dict[str, Schema] = made.pop("$defs", {})
    if "properties" in made:
        # a lone object stands at the top; by its name it is told like any other
        name = made["title"]
        objects[name], made = made, {"$ref": f"#/$defs/{name}"}
    for name, each in objects.items():
        if "properties" in each:
            _tell(each, *_docstrings(name))
        else:
            each["description"] = each["description"].split("\n\n")[0]
    described = {name: _without_titles(objects[name]) for name in sorted(objects)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{title} --json",
        **_without_titles(made),
        "$defs": described,
    }


def _tell(shape: Schema, summary: str, meanings: dict[str, str]) -> None:
    """Put beside each field what it means."""
    shape["description"] = summary
    for name, field in shape["properties"].items():
        if name in meanings:
            field["description"] = meanings[name]


def _without_titles(node: Any) -> Any:
    """The same without pydantic's titles, which repeat the names; times are said to be in UTC."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _without_titles(value)
        for key, value in node.items()
        # a field may be called so: its value is no text
        if not (key == "title" and isinstance(value, str))
    }
    return {**kept, "pattern": "Z$"} if kept.get("format") == "date-time" else kept


def _docstrings(name: str) -> tuple[str, dict[str, str]]:
    """What a class says of itself, and of its attributes and those that it inherits."""
    places = (models, accounts, upkeep, files, jobs, problems, services, settings)
    cls = next(getattr(place, name) for place in places if hasattr(place, name))
    meanings: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        meanings |= _attributes(each.__doc__ or "")
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split()), meanings


def _attributes(docstring: str) -> dict[str, str]:
    meanings: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(docstring).partition("\nAttributes:\n")[2].splitlines():
        if line.startswith("     "):
            meanings[name] += " " + line.strip()
        elif line.strip():
            name, _, meaning = line.strip().partition(": ")
            meanings[name] = meaning
    return {
        name: re.sub(r"\bNone\b", "null", meaning).rstrip(".") for name, meaning in meanings.items()
    }
