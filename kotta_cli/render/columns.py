"""Lines up cells in columns; rich's own tables would fill every line with blanks up to its end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

_GAP = 2
_NARROWEST = 8


def columns_of(titles: Sequence[str], rows: Sequence[list[Text]], *, width: int) -> list[Text]:
    """The rows under their titles, a line each, none wider than `width` where that is possible.

    Args:
        titles: one of them ends in `…`: its column gives way where the room does not suffice. One
            that begins with a blank is aligned to the right.
    """
    header = [Text(title.strip(" …"), style="bold") for title in titles]
    table = [header, *rows]
    widths = [max(row[column].cell_len for row in table) for column in range(len(titles))]
    for column, title in enumerate(titles):
        if title.endswith("…"):
            others = sum(widths) - widths[column] + _GAP * (len(widths) - 1)
            widths[column] = min(widths[column], max(width - others, _NARROWEST))
    return [_line(row, widths, titles) for row in table]


def _line(row: list[Text], widths: list[int], titles: Sequence[str]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for cell, width, title in zip(row, widths, titles, strict=True):
        cell.truncate(width, overflow="ellipsis")
        blanks = " " * (width - cell.cell_len)
        line.append_text(Text(blanks) + cell if title.startswith(" ") else cell + Text(blanks))
        line.append(" " * _GAP)
    line.rstrip()
    return line
