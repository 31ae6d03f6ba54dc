"""`kotta queues`: where jobs wait, and how full it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from rich.text import Text

    from kotta.models import Queue
    from kotta_cli.context import App

app = command_app()


@app.command(
    "queues",
    cls=Command,
    epilog=examples({"kotta queues": "All of them", "kotta queues --json": "For programs"}),
)
def queues(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """List the queues and how full they are."""
    app: App = ctx.obj
    app.as_json = as_json
    found = app.client.queues()
    app.remember(queues=found)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, found)
    elif app.out.is_tty:
        console = app.out.console()
        console.print(*_lines(found, console.width), sep="\n")
    else:
        for queue in found:
            app.print("\t".join(str(value) for value in _values(queue)))
    return 0


def _values(queue: Queue) -> tuple[str | int, ...]:
    from kotta_cli.render.plain_text import one_line

    return (
        one_line(queue.name),
        queue.running,
        queue.pending,
        queue.cpus_used,
        queue.cpus,
        queue.memory_used_mib,
        queue.memory_mib,
        queue.max_walltime_minutes,
    )


def _lines(found: list[Queue], columns: int) -> list[Text]:
    from rich.text import Text

    from kotta_cli.render.columns import columns_of
    from kotta_cli.render.plain_text import one_line
    from kotta_cli.render.times import duration, size

    rows = []
    for queue in found:
        full = queue.cpus_used >= queue.cpus or queue.memory_used_mib >= queue.memory_mib
        load = "yellow" if full else ""
        memory = f"{size(queue.memory_used_mib << 20)} of {size(queue.memory_mib << 20)}"
        rows.append(
            [
                Text(one_line(queue.name), style="cyan"),
                Text(str(queue.running)),
                Text(str(queue.pending), style="yellow" if queue.pending else ""),
                Text(f"{queue.cpus_used} of {queue.cpus}", style=load),
                Text(memory, style=load),
                Text(duration(queue.max_walltime_minutes * 60)),
            ]
        )
    titles = ["QUEUE…", " RUNNING", " PENDING", " CORES", " MEMORY", " WALLTIME"]
    return columns_of(titles, rows, width=columns)
