"""The JSON that `--json` prints: RFC 3339 UTC times, seconds as numbers, `[]` when empty."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kotta_cli.render.plain_text import json_for_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from kotta_cli.context import App
    from kotta_cli.terminal import Terminal

Shape = dict[str, Any] | list[Any]


def print_json(app: App, value: BaseModel | Sequence[BaseModel] | Shape) -> None:
    """One document, indented, to stdout."""
    app.print(_text(app.out, _wanted(app, value), indent=2))


def print_json_line(app: App, value: BaseModel | Shape) -> None:
    """One document on one line, to stdout, at once."""
    app.print(_text(app.out, _wanted(app, value)))


def _wanted(app: App, value: BaseModel | Sequence[BaseModel] | Shape) -> Any:
    plain = plain_values(value)
    if not app.json_fields:
        return plain
    from kotta_cli.json_fields import chosen

    return chosen(plain, app.json_fields)


def complain_in_json(app: App, value: Shape) -> None:
    """One document, indented, to stderr."""
    app.complain(_text(app.err, value, indent=2))


def plain_values(value: Any) -> Any:
    """Models as the objects that JSON knows."""
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in value]
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in value.items()}
    dump = getattr(value, "model_dump", None)
    return value if dump is None else dump(mode="json")


def _text(terminal: Terminal, value: Any, *, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=not terminal.unicode)
    return json_for_terminal(text) if terminal.is_tty else text
