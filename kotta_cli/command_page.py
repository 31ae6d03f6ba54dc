"""The help page of one command, drawn from what Typer knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kotta_cli.command_shape import command_shape, examples
from kotta_cli.help_page import HelpPage, page_width, terminal_columns

if TYPE_CHECKING:
    from kotta_cli.context import App

__all__ = ["command_page", "examples", "paper"]


def command_page(command: Any, ctx: Any) -> str:
    """The help page of one command."""
    shape = command_shape(command, ctx.command_path)
    width, color = paper(ctx)
    page = HelpPage(width, color=color)
    for paragraph in shape.paragraphs:
        page.paragraph(paragraph)
    page.usage(shape.usage)
    tables = {"Commands": shape.commands, "Arguments": shape.arguments, **shape.panels}
    column = max(len(term) for rows in tables.values() for term in rows)
    for title, rows in tables.items():
        page.table(title, rows, term_width=column)
    page.table("Examples", shape.examples)
    return page.text()


def paper(ctx: Any) -> tuple[int, bool]:
    app: App = ctx.obj
    # Typer strips colours from what it prints unless it is told.
    ctx.color = app.out.color
    return page_width(terminal_columns(1) if app.out.is_tty else None), app.out.color
