"""What a job used over its life, as charts: what `kotta usage` draws."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kotta_cli.render import chart
from kotta_cli.render.chart import Chart, Signs
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.states import COLORS, SIGNS, paint
from kotta_cli.render.times import duration, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kotta.models import Job, Usage, UsageSample
    from kotta_cli.render.pages import Span
    from kotta_cli.terminal import Terminal

ROWS = 6
LIMIT_DRAWN = 0.25
"""A limit is drawn if so much of it was used: else what was used would be a line on the floor."""
MIB = 1 << 20

Line = list["Span"]
_SHORTEST_SECONDS = 0.001
"""To which samples are told: a shorter time would be none."""


@dataclass(frozen=True)
class _Quantity:
    """One thing that is charted.

    Attributes:
        said: what is said of it beside its name.
        limit: what was asked for, None for nothing.
    """

    name: str
    color: str
    said: str
    values: Sequence[float | None]
    top: float
    limit: float | None
    label: Callable[[float], str]


def usage_lines(job: Job, usage: Usage, terminal: Terminal, rows: int = ROWS) -> list[str]:
    """The whole page, with charts of so many rows; `usage` has samples."""
    signs = chart.UNICODE if terminal.unicode else chart.ASCII
    width = chart.area_width(terminal.columns)
    lines: list[Line] = [_heading(job, usage)]
    for quantity in _quantities(usage, width):
        lines += [[], [(quantity.name, "bold"), ("  " + quantity.said, "")]]
        if any(value is not None for value in quantity.values):
            lines += _drawn(quantity, signs, rows)
            axis = chart.time_axis(_seconds(usage.samples), width, signs)
            lines += [[(line, "dim")] for line in axis]
    return ["".join(_painted(span, terminal.color) for span in line).rstrip() for line in lines]


def rows_within(height: int) -> int:
    """How many rows each chart may have, if all are to be seen in a window of this height."""
    around_each = 4  # an empty line, the name, the axis and its times
    return max(2, min(ROWS, (height - 2) // 3 - around_each))


def _painted(span: Span, color: bool) -> str:
    text, style = span
    return paint(text, style, color) if style and text.strip() else text


def _heading(job: Job, usage: Usage) -> Line:
    """Which job it is, and how far."""
    length = usage.samples[-1].seconds
    attempt = f"  attempt {usage.attempt}" if usage.attempt > 1 else ""
    return [
        (one_line(job.name), "bold"),
        (f" {job.id[:8]}  ", "dim"),
        (f"{SIGNS[job.status]} {job.status.value}", COLORS[job.status]),
        (f"  {duration(length)} of {duration(job.walltime_seconds)}{attempt}", ""),
    ]


def _drawn(quantity: _Quantity, signs: Signs, rows: int) -> list[Line]:
    drawn = Chart(quantity.values, quantity.top, quantity.limit, quantity.label)
    return [[(left, "dim"), (area, quantity.color)] for left, area in drawn.lines(rows, signs)]


def _quantities(usage: Usage, width: int) -> list[_Quantity]:
    samples = usage.samples
    found = [_cores(usage, width), _memory(usage, width)]
    disk = spread(samples, width, lambda sample: sample.disk_bytes)
    if any(value is not None for value in disk):
        most = max(sample.disk_bytes or 0 for sample in samples)
        said = f"{size(most)} at most"
        found.append(_Quantity("Disk", "yellow", said, disk, _bytes_top(most), None, _bytes))
    return found


def _cores(usage: Usage, width: int) -> _Quantity:
    last, asked = usage.samples[-1], usage.cpus
    values = busy(usage.samples, width)
    most = max([value for value in values if value is not None], default=0.0)
    average = last.cpu_seconds / _seconds(usage.samples)
    said = f"{average:.2g} cores on average, {most:.2g} at most, of {asked} asked for"
    is_drawn = most >= asked * LIMIT_DRAWN
    top = max(asked, most) if is_drawn else chart.nice_top(most)
    limit = asked if is_drawn else None
    return _Quantity("CPU", "cyan", said, values, top, limit, lambda height: f"{height:.3g}")


def _memory(usage: Usage, width: int) -> _Quantity:
    asked = usage.memory_mib * MIB
    values = spread(usage.samples, width, lambda sample: sample.memory_bytes)
    known = [s.memory_bytes for s in usage.samples if s.memory_bytes is not None]
    most = max(known, default=0)
    said = f"{size(most)} at most" if known else "too short to be measured"
    said += f", of {size(asked)} asked for"
    is_drawn = most >= asked * LIMIT_DRAWN
    top = float(max(asked, most)) if is_drawn else _bytes_top(most)
    limit = float(asked) if is_drawn else None
    return _Quantity("Memory", "magenta", said, values, top, limit, _bytes)


def busy(samples: Sequence[UsageSample], width: int) -> list[float | None]:
    """Cores kept busy in each of `width` equal parts of the time, from the CPU time between."""
    total = _seconds(samples)
    at = [_cpu_seconds_at(samples, total * column / width) for column in range(width + 1)]
    return [max(0.0, (at[c + 1] - at[c]) * width / total) for c in range(width)]


def _cpu_seconds_at(samples: Sequence[UsageSample], seconds: float) -> float:
    place = bisect_left(samples, seconds, key=lambda sample: sample.seconds)
    if not 0 < place < len(samples):
        return samples[min(place, len(samples) - 1)].cpu_seconds
    before, after = samples[place - 1], samples[place]
    part = (seconds - before.seconds) / ((after.seconds - before.seconds) or 1)
    return before.cpu_seconds + part * (after.cpu_seconds - before.cpu_seconds)


def spread(
    samples: Sequence[UsageSample], width: int, value: Callable[[UsageSample], float | None]
) -> list[float | None]:
    """The largest value in each of `width` equal parts of the time.

    In a part without a sample it is that of the sample before, as nothing else is known.
    """
    total = _seconds(samples)
    found: list[float | None] = [None] * width
    for sample in samples:
        known = value(sample)
        if known is not None:
            column = min(width - 1, int(sample.seconds * width / total))
            found[column] = max(known, found[column] or 0)
    for column in range(1, width):
        if found[column] is None:
            found[column] = found[column - 1]
    return found


def _seconds(samples: Sequence[UsageSample]) -> float:
    return max(samples[-1].seconds, _SHORTEST_SECONDS)


def _bytes(height: float) -> str:
    number, unit = size(round(height)).split()
    return f"{float(number):.4g} {unit}"


def _bytes_top(most: float) -> float:
    unit = 1024.0
    while most >= 1000 * unit:
        unit *= 1024
    return chart.nice_top(most / unit, (1, 1.5, 2, 3, 4, 6, 8, 10)) * unit
