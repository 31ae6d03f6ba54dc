"""`kotta why`: the reasons behind a job's state, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import JobArguments, JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import JobDetail
    from kotta_cli.context import App
    from kotta_cli.explaining import Explanation

app = command_app()


@app.command(
    "why",
    cls=Command,
    epilog=examples(
        {
            "kotta why @last": "Why it waits, or why it failed",
            "kotta why @failed": "Of every job that failed",
        }
    ),
)
def why(ctx: typer.Context, jobs: JobArguments, as_json: JsonOption = False) -> int:
    """Say why a job waits, or why it failed, and what to type next."""
    from kotta_cli.explaining import explain
    from kotta_cli.selecting import chosen

    app: App = ctx.obj
    app.as_json = as_json
    found = chosen(app, jobs)
    details = [app.client.status(job) for job in found.jobs]
    explained = [(job, explain(app.client, job)) for job in details]
    app.remember(details)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        shapes = [
            {"id": job.id, "status": job.status.value, "reason": job.reason and job.reason.value}
            | explanation.shape()
            for job, explanation in explained
        ]
        print_json(app, shapes[0] if found.is_one else shapes)
        return 0
    for number, (job, explanation) in enumerate(explained):
        if number:
            app.print()
        _show(app, job, explanation)
    return 0


def _show(app: App, job: JobDetail, found: Explanation) -> None:
    from kotta_cli.render.plain_text import cell_width, folded, one_line
    from kotta_cli.render.states import COLORS, SIGNS, paint

    color = app.out.color
    sign = f"{SIGNS[job.status]} {job.status.value}"
    width = app.out.columns - 2 if app.out.is_tty else None
    name = one_line(job.name)
    if width is not None and cell_width(name) > (room := width - len(sign) - 10):
        name = folded(name, room)[0] + "…"
    name = paint(name, "bold", color)
    app.print(f"{name} {job.id[:8]}  {paint(sign, COLORS[job.status], color)}")
    for sentence in found.sentences:
        for line in _wrapped(one_line(sentence), width):
            app.print(f"  {line}")
    if found.lines:
        app.print(f"  The end of its {found.stream}:")
        for line in found.lines:
            for piece in [one_line(line)] if width is None else folded(one_line(line), width - 2):
                app.print("    " + paint(piece, "dim", color))
    for number, command in enumerate(found.commands):
        app.print(("  Next:  " if not number else "         ") + paint(command, "cyan", color))


def _wrapped(text: str, width: int | None) -> list[str]:
    """A sentence in lines of a terminal's width; a pipe gets it on one."""
    if width is None:
        return [text]
    from kotta_cli.help_page import wrap

    return wrap(text, width)
