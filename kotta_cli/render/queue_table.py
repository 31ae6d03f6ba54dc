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

_BAR_CELLS = (10, 6, 0)
"""How long bars may be: the first with which all has room."""


def queue_lines(queues: Sequence[Queue], columns: int) -> list[Text]:
    """A header and a line for each queue, with bars where there is room for them."""
    for cells in _BAR_CELLS:
        titles, rows = _table(queues, cells)
        lines = columns_of(titles, rows, width=sum(map(len, titles)) + 10 * columns)
        if max(line.cell_len for line in lines) <= columns:
            return lines
    return columns_of(*_table(queues, 0), width=columns)


def _table(queues: Sequence[Queue], cells: int) -> tuple[list[str], list[list[Text]]]:
    cores, memory = ("CORES", "MEMORY") if cells else (" CORES", " MEMORY")
    titles = ["QUEUE…", " RUNNING", " PENDING", cores, memory, " WALLTIME"]
    return titles, [_row(queue, cells) for queue in queues]


def _row(queue: Queue, cells: int) -> list[Text]:
    cores = f"{queue.cpus_used} of {queue.cpus}"
    return [
        Text(one_line(queue.name), style="cyan"),
        Text(str(queue.running)),
        Text(str(queue.pending), style="yellow" if queue.pending else ""),
        _load(cores, queue.cpus_used, queue.cpus, cells),
        _memory(queue, cells),
        Text(duration(queue.max_walltime_minutes * 60)),
    ]


def _memory(queue: Queue, cells: int) -> Text:
    if queue.cpus and not queue.memory_mib:
        return Text("not counted", style="dim")
    whole, unit = size(queue.memory_mib << 20).split()
    used = queue.memory_used_mib / queue.memory_mib * float(whole) if queue.memory_mib else 0
    return _load(f"{used:.1f} of {whole} {unit}", queue.memory_used_mib, queue.memory_mib, cells)


def fitting(queue: Queue) -> Text:
    """One sentence on the largest job that would start at once."""
    name = (one_line(queue.name), "cyan")
    if queue.executor != "local":
        return Text.assemble(name, ": ", _elsewhere(queue))
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


def _elsewhere(queue: Queue) -> str:
    """The same of a queue in which a cluster's scheduler starts what it likes."""
    engine = one_line(queue.executor)
    engine = engine[:1].upper() + engine[1:]
    if not queue.cpus:
        return f"{engine} does not answer; jobs are handed to it once it does."
    free = max(0, queue.cpus - queue.cpus_used)
    cores = "1 core is" if free == 1 else f"{free or 'no'} cores are"
    return f"{cores} free; {engine} decides what starts."


def _load(words: str, used: int, whole: int, cells: int) -> Text:
    style = "yellow" if used >= whole else ""
    if not cells:
        return Text(words, style=style)
    full = min(round(cells * used / max(whole, 1)), cells)
    full = max(full, 1) if used else full
    return Text.assemble(
        ("█" * full, style or "green"), ("·" * (cells - full), "dim"), "  ", (words, style)
    )
