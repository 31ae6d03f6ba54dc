"""`kotta queues`: where jobs wait, and how full it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
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
        _print_page(app, found)
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


def _print_page(app: App, found: list[Queue]) -> None:
    from kotta_cli.render.queue_table import fitting, queue_lines

    console = app.out.console()
    console.print(*queue_lines(found, console.width), sep="\n")
    console.print()
    for queue in found:
        console.print(fitting(queue))
