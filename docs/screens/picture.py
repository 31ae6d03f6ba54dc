"""A terminal's window as an SVG picture: selectable text, for dark and for light pages."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any

import pyte

CELL_WIDTH, CELL_HEIGHT, MARGIN, BAR_HEIGHT = 8.4, 18, 14, 34
_DARK = {
    "ground": "#16181d", "text": "#d7dae0", "dim": "#7f8793", "frame": "#30343c", "red": "#f2777a",
    "green": "#8fce8f", "brown": "#e6c06b", "blue": "#79aef2", "magenta": "#d49be4",
    "cyan": "#6fc7cf", "brightblack": "#7f8793",
}  # fmt: skip
_LIGHT = {
    "ground": "#fbfbfa", "text": "#2b2f36", "dim": "#737a85", "frame": "#d9dbdf", "red": "#b3261e",
    "green": "#1f7a34", "brown": "#8a6100", "blue": "#1f5fbf", "magenta": "#8a3ea8",
    "cyan": "#0b7285", "brightblack": "#737a85",
}  # fmt: skip

_LOWER_BLOCKS = "▁▂▃▄▅▆▇█"
_WITHOUT_BLOCKS = str.maketrans(_LOWER_BLOCKS, " " * len(_LOWER_BLOCKS))


class Screen(pyte.Screen):
    """A screen that knows of faint letters too, which it takes for grey ones."""

    def select_graphic_rendition(self, *codes: int, **private: Any) -> None:
        super().select_graphic_rendition(*codes, **private)
        if 2 in codes and self.cursor.attrs.fg == "default":
            self.cursor.attrs = self.cursor.attrs._replace(fg="dim")


def svg(screen: Any, title: str) -> str:
    """What a pyte screen shows, down to its last line that is not empty, under a title."""
    rows = len([*_filled(screen)])
    width = screen.columns * CELL_WIDTH + 2 * MARGIN
    height = rows * CELL_HEIGHT + BAR_HEIGHT + MARGIN
    body = "\n".join(_line(screen, row) for row in range(rows))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height}" width="{width:.1f}" \
height="{height}" role="img" aria-label="{escape(title)}">
<style>
{_rules(_DARK)}
@media (prefers-color-scheme: light) {{
{_rules(_LIGHT)}
}}
text {{ font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; white-space: pre; }}
.bold {{ font-weight: bold; }}
</style>
<rect class="window" x="0.5" y="0.5" width="{width - 1:.1f}" height="{height - 1}" rx="8"/>
<text class="dim" x="{MARGIN}" y="22">$ {escape(title)}</text>
{body}
</svg>
"""


def _filled(screen: Any) -> Iterator[str]:
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    yield from lines


def _rules(colors: dict[str, str]) -> str:
    rules = [f".{name} {{ fill: {color}; }}" for name, color in colors.items()]
    rules.append(f".window {{ fill: {colors['ground']}; stroke: {colors['frame']}; }}")
    return "\n".join(rules)


def _line(screen: Any, row: int) -> str:
    cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
    # the second half of a wide character has no data of its own
    runs = groupby(cells, key=lambda cell: _classes(cell[1]))
    texts = []
    for classes, run in runs:
        part = list(run)
        words = "".join(cell.data for _, cell in part)
        if not words.strip():
            continue
        texts += _blocks(words, part[0][0], row, classes)
        words = words.translate(_WITHOUT_BLOCKS)
        if not words.strip():
            continue
        x = MARGIN + part[0][0] * CELL_WIDTH
        y = BAR_HEIGHT + (row + 1) * CELL_HEIGHT - 5
        texts.append(
            f'<text class="{classes}" x="{x:.1f}" y="{y}" '
            f'textLength="{len(part) * CELL_WIDTH:.1f}" xml:space="preserve">{escape(words)}</text>'
        )
    return "\n".join(texts)


def _blocks(words: str, column: int, row: int, classes: str) -> Iterator[str]:
    """The block characters of a run as rectangles: letters would leave gaps between lines."""
    for char, run in groupby(enumerate(words, column), key=lambda placed: placed[1]):
        places = [place for place, _ in run]
        if char in _LOWER_BLOCKS:
            height = CELL_HEIGHT * (_LOWER_BLOCKS.index(char) + 1) / 8
            x = MARGIN + places[0] * CELL_WIDTH
            y = BAR_HEIGHT + (row + 1) * CELL_HEIGHT - height
            yield (
                f'<rect class="{classes}" x="{x:.1f}" y="{y:.2f}" '
                f'width="{len(places) * CELL_WIDTH:.1f}" height="{height:.2f}"/>'
            )


def _classes(cell: Any) -> str:
    color = "text" if cell.fg == "default" else str(cell.fg)
    return f"{color} bold" if cell.bold else color
