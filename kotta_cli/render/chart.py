"""Draws a quantity over time in cells of a terminal: a filled area over an axis.

What is drawn are numbers; what they are called and which colour they have is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LABEL_CELLS = 9
_TICK_CELLS = 14
"""From one time on the axis to the next, at least."""
_STEPS = (
    *(0.001, 0.005, 0.02, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 20, 30),
    *(60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800),
)
"""Seconds between times on the axis."""


@dataclass(frozen=True)
class Signs:
    """What a chart is drawn with."""

    levels: str
    axis: str
    tick: str
    corner: str
    floor: str
    limit: str


UNICODE = Signs(_EIGHTHS, "│", "┤", "└", "─", "┄")
ASCII = Signs(" .:#", "|", "+", "+", "-", "-")


@dataclass(frozen=True)
class Chart:
    """One quantity over time.

    Attributes:
        values: one for each column, from left to right; None where nothing is known.
        top: what the full height stands for.
        limit: a height to draw a line at, None for none.
        label: says a height in words of at most 8 cells.
    """

    values: Sequence[float | None]
    top: float
    limit: float | None
    label: Callable[[float], str]

    def lines(self, rows: int, signs: Signs) -> list[tuple[str, str]]:
        """The rows from the top: what stands up to the axis, and the area behind it."""
        limit_row = None if self.limit is None else self._row_of(self.limit, rows)
        drawn = []
        for row in range(rows):
            height = self.top * (rows - row) / rows
            is_named = row in (0, limit_row) or row == rows // 2
            if row == limit_row and self.limit is not None:
                height = self.limit
            label = self.label(height) if is_named else ""
            axis = signs.tick if is_named else signs.axis
            area = "".join(self._cell(value, row, rows, signs) for value in self.values)
            if row == limit_row:
                area = area.replace(" ", signs.limit)
            drawn.append((f"{label:>{_LABEL_CELLS - 1}} {axis}", area))
        return drawn

    def _row_of(self, height: float, rows: int) -> int:
        return min(rows - 1, max(0, rows - math.ceil(rows * height / self.top - 1e-9)))

    def _cell(self, value: float | None, row: int, rows: int, signs: Signs) -> str:
        if value is None:
            return " "
        filled = rows * value / self.top - (rows - 1 - row)
        most = len(signs.levels) - 1
        level = min(most, max(0, round(filled * most)))
        if row == rows - 1 and value > 0:
            level = max(level, 1)  # little is not nothing
        return signs.levels[level]


def area_width(columns: int) -> int:
    """How many columns are left for the area of a chart in a window of `columns`."""
    return columns - _LABEL_CELLS - 2


def time_axis(seconds: float, width: int, signs: Signs) -> list[str]:
    """The two lines below a chart: the floor, and the times, from 0 to `seconds`."""
    least = seconds * _TICK_CELLS / width
    longest = _STEPS[-1]
    step = next((s for s in _STEPS if s >= least), math.ceil(least / longest) * longest)
    floor, words = list(signs.floor * width), [" "] * (width + _TICK_CELLS)
    free = 0
    times = [step * number for number in range(math.floor(seconds / step) + 1)]
    for time in times:
        place = min(width - 1, round(time * width / seconds))
        floor[place] = signs.tick if signs is ASCII else "┬"
        text = _clock(time, step)
        begin = max(0, min(place - len(text) // 2, width - len(text)))
        if begin >= free:
            words[begin : begin + len(text)] = text
            free = begin + len(text) + 2
    zero, margin = "0".rjust(_LABEL_CELLS - 1), " " * (_LABEL_CELLS + 1)
    return [f"{zero} {signs.corner}{''.join(floor)}", margin + "".join(words)[:width].rstrip()]


def _clock(seconds: float, step: float) -> str:
    """Such as `0`, `30 s`, `5 min`, `1 h 30 min`, `2 days`."""
    if not seconds:
        return "0"
    if step < 1:
        return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    days, rest = divmod(round(seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{left} s"


def nice_top(most: float, steps: Sequence[float] = (1, 2, 2.5, 5, 10)) -> float:
    """A round number not below `most`."""
    if most <= 0:
        return steps[0]
    scale = math.pow(10, math.floor(math.log10(most)))
    return next(step * scale for step in steps if step * scale >= most * (1 - 1e-9))
