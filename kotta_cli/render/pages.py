"""Writes titled sections of labels and values: in columns on a terminal, plain in a pipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kotta_cli.render.plain_text import one_line, several_lines

if TYPE_CHECKING:
    from rich.text import Text

    from kotta_cli.context import App

Span = tuple[str, str]
"""Text and its style, "" for none."""


@dataclass
class Section:
    """Rows under a title; the first section of a page needs none.

    Attributes:
        rows: label, and the spans of its value.
    """

    title: str = ""
    rows: list[tuple[str, list[Span]]] = field(default_factory=list)

    def add(self, label: str, *value: str | Span) -> None:
        """Add a row; a value that is a plain string has no style."""
        self.rows.append((label, [(v, "") if isinstance(v, str) else v for v in value]))

    def add_known(self, label: str, value: str | int | None, style: str = "") -> None:
        """Add a row, unless there is nothing to say."""
        if value is not None and value != "":
            self.add(label, (str(value), style))


def print_page(app: App, heading: list[Span], sections: list[Section]) -> None:
    """One page to stdout; sections without rows are left out.

    Args:
        heading: for terminals only: what it says must be in the sections too, for a pipe.
    """
    filled = [section for section in sections if section.rows]
    if app.out.is_tty:
        _print_on_terminal(app, heading, filled)
    else:
        _print_in_pipe(app, filled)


def _print_on_terminal(app: App, heading: list[Span], sections: list[Section]) -> None:
    console = app.out.console()
    console.print(_text(heading))
    column = max(len(label) for section in sections for label, _ in section.rows) + 2
    for section in sections:
        console.print()
        if section.title:
            console.print(_text([(section.title, "bold")]))
        for label, value in section.rows:
            # Wrapped by hand, because rich's grids fill every line with blanks.
            room = max(console.width - column - 2, 20)
            lines = _text(value).wrap(console, room, overflow="fold")
            head = _text([("  ", ""), (f"{one_line(label):<{column}}", "dim")])
            for line in lines:
                line.rstrip()
                console.print(head + line, soft_wrap=True)
                head = _text([(" " * (column + 2), "")])


def _print_in_pipe(app: App, sections: list[Section]) -> None:
    lines: list[str] = []
    for section in sections:
        if lines:
            lines.append("")
        if section.title:
            lines.append(f"{section.title}:")
        indent = "  " if section.title else ""
        for label, value in section.rows:
            text = several_lines("".join(text for text, _ in value)).strip()
            lines.append(f"{indent}{one_line(label)}: " + text.replace("\n", "\n    "))
    app.print("\n".join(lines))


def _text(spans: list[Span]) -> Text:
    from rich.text import Text

    return Text.assemble(*((several_lines(text), style) for text, style in spans))
