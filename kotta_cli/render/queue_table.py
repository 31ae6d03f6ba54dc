"""Queues on a terminal: how full they are, and what would still fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from kotta_cli.render.columns import columns_of
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.times import duration, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kotta.models import Queue

_BAR_CELLS = 8
_ROOM_FOR_BARS = 80


def queue_lines(queues: Sequence[Queue], columns: int) -> list[Text]:
    """A header and a line for each queue, with bars where there is room for them."""
    has_bars = columns >= _ROOM_FOR_BARS
    rows = []
    for queue in queues:
        memory = f"{size(queue.memory_used_mib << 20)} of {size(queue.memory_mib << 20)}"
        cores = f"{queue.cpus_used} of {queue.cpus}"
        rows.append(
            [
                Text(one_line(queue.name), style="cyan"),
                Text(str(queue.running)),
                Text(str(queue.pending), style="yellow" if queue.pending else ""),
                _load(cores, queue.cpus_used, queue.cpus, has_bars),
                _load(memory, queue.memory_used_mib, queue.memory_mib, has_bars),
                Text(duration(queue.max_walltime_minutes * 60)),
            ]
        )
    cores_title, memory_title = ("CORES", "MEMORY") if has_bars else (" CORES", " MEMORY")
    titles = ["QUEUE…", " RUNNING", " PENDING", cores_title, memory_title, " WALLTIME"]
    return columns_of(titles, rows, width=columns)


def fitting(queue: Queue) -> Text:
    """One sentence on the largest job that would start at once."""
    name = (one_line(queue.name), "cyan")
    waiting = queue.pending - queue.pending_after
    cpus, memory_mib = queue.cpus - queue.cpus_used, queue.memory_mib - queue.memory_used_mib
    if waiting > 0:
        before = "1 job waits" if waiting == 1 else f"{waiting} jobs wait"
        return Text.assemble(name, f": {before} already; a new one starts after them.")
    if cpus <= 0 or memory_mib <= 0:
        lacking = "core" if cpus <= 0 else "memory"
        return Text.assemble(name, f": no {lacking} is free; a new job waits for one that runs.")
    cores = "1 core" if cpus == 1 else f"{cpus} cores"
    return Text.assemble(
        name, f": a job of up to {cores} and {size(memory_mib << 20)} starts at once."
    )


def _load(words: str, used: int, whole: int, has_bar: bool) -> Text:
    style = "yellow" if used >= whole else ""
    if not has_bar:
        return Text(words, style=style)
    cells = min(round(_BAR_CELLS * used / max(whole, 1)), _BAR_CELLS)
    cells = max(cells, 1) if used else cells
    bar = ("█" * cells, style or "green")
    return Text.assemble(bar, ("·" * (_BAR_CELLS - cells), "dim"), "  ", (words, style))
