"""Prints a list of things that are no jobs: a table, lines for a program, or JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from kotta_cli.render.plain_text import one_line

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kotta_cli.context import App

    Thing = TypeVar("Thing", bound=BaseModel)

Cell = tuple[str, str]
"""A text and its style."""


def print_listing(
    app: App,
    things: Sequence[Thing],
    *,
    titles: Sequence[str],
    cells: Callable[[Thing], Sequence[Cell]],
    plain: Callable[[Thing], Sequence[str]],
    nothing: str,
) -> None:
    """Print a line for each.

    Args:
        titles: of the table's columns; one that ends in `…` gives way where there is little room.
        cells: what the table shows of one.
        plain: what a program reads of one, complete, separated by tabs.
        nothing: what to say to a person where there are none.
    """
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, things)
    elif not app.out.is_tty:
        app.out.write("".join("\t".join(map(one_line, plain(each))) + "\n" for each in things))
    elif not things:
        app.note(nothing)
    else:
        from rich.text import Text

        from kotta_cli.render.columns import columns_of

        rows = [[Text(one_line(text), style) for text, style in cells(each)] for each in things]
        console = app.out.console()
        console.print(*columns_of(titles, rows, width=console.width), sep="\n")
