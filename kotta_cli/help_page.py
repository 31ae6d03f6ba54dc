"""Draws help pages, for the top page and for every command; imports nothing heavy.

Typer's own pages load rich, which costs more time than everything else on the page.
"""

from __future__ import annotations

import os

MIN_WIDTH, MAX_WIDTH = 60, 100

Rows = dict[str, str]
"""Term → what it means."""


def page_width(columns: int | None) -> int:
    """How wide a page is drawn on a terminal of this many columns; None: no terminal."""
    return min(max(columns or 80, MIN_WIDTH), MAX_WIDTH)


def wants_color(is_terminal: bool) -> bool:
    """Whether ANSI colour may be written.

    Source: https://no-color.org and https://bixense.com/clicolors.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("CLICOLOR") == "0":
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def terminal_columns(fd: int) -> int | None:
    """Columns of the terminal behind a file descriptor, None where there is none."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    try:
        return os.get_terminal_size(fd).columns or None
    except (OSError, ValueError):
        return None


class HelpPage:
    """A page under construction: paragraphs and tables of terms."""

    def __init__(self, width: int, *, color: bool) -> None:
        self._width = width
        self._color = color
        self._lines: list[str] = []

    def paragraph(self, text: str) -> None:
        """Add text, wrapped, an empty line before it."""
        self.gap()
        self._lines += wrap(text, self._width)

    def heading(self, title: str) -> None:
        self.gap()
        self._lines.append(self._paint("1", title))

    def item(self, mark: str, text: str) -> None:
        """Add text that hangs behind a mark."""
        first, *rest = wrap(text, self._width - len(mark) - 3) or [""]
        self._lines += [f"  {mark} {first}", *(" " * (len(mark) + 3) + more for more in rest)]

    def verbatim(self, lines: list[str]) -> None:
        """Add lines as they are."""
        self.gap()
        self._lines += [f"    {line}" for line in lines]

    def gap(self) -> None:
        """Add an empty line, unless nothing is there yet."""
        if self._lines:
            self._lines.append("")

    def usage(self, line: str) -> None:
        """Add the one line that shows how the command is called."""
        self.heading("Usage")
        first, *rest = wrap(line, self._width - 4)
        self._lines += ["  " + first, *("      " + more for more in rest)]

    def table(self, title: str, rows: Rows, *, term_width: int = 0) -> None:
        """Add terms and their meanings in two columns; nothing at all where there are no rows."""
        if not rows:
            return
        self.heading(title)
        self.terms(rows, term_width=term_width)

    def terms(self, rows: Rows, *, term_width: int = 0) -> None:
        """Add the same without a title."""
        longest = max(len(term) for term in rows)
        column = min(max(longest, term_width), max(self._width // 2 - 4, 16))
        for term, meaning in rows.items():
            lines = wrap(meaning, self._width - column - 4) or [""]
            if len(term) > column:
                parts = wrap(term, self._width - 2)
                self._lines += ["  " + self._paint("36", part) for part in parts]
            else:
                padding = " " * (column - len(term) + 2)
                self._lines.append("  " + self._paint("36", term) + padding + lines.pop(0))
            self._lines += [" " * (column + 4) + line for line in lines]

    def text(self) -> str:
        """The whole page, ending in a newline."""
        return "\n".join(line.rstrip() for line in self._lines) + "\n"

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` characters; single words may be longer.

    `textwrap` would do, but it imports `re`, which is half of the time `kotta --help` may take.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def top_page(width: int, *, color: bool) -> str:
    """The page of `kotta --help`."""
    from kotta_cli import command_table as table

    page = HelpPage(width, color=color)
    page.paragraph(table.SUMMARY)
    page.usage("kotta [OPTIONS] COMMAND [ARGS]...")
    page.table("Examples", table.EXAMPLES)
    named = [*table.COMMANDS.values(), table.TOPICS]
    column = max(len(term) for rows in named for term in rows)
    for title, rows in table.COMMANDS.items():
        page.table(title, rows, term_width=column)
    page.table("Help topics", table.TOPICS, term_width=column)
    page.table("Options", table.GLOBAL_OPTIONS)
    page.paragraph(table.CLOSING)
    return page.text()
