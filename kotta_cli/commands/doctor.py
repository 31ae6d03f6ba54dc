"""`kotta doctor`: what a bug report needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App
    from kotta_cli.diagnosis import Finding

_SIGNS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "problem": ("✗", "red")}
_CHECK_COLUMN, _TEXT_COLUMN = 10, 22

app = command_app()


@app.command(
    "doctor",
    cls=Command,
    epilog=examples(
        {
            "kotta doctor": "What is wrong, and what to do about it",
            "kotta doctor --start": "Try to start the local service too",
            "kotta doctor > report.txt": "For a bug report",
        }
    ),
)
def doctor(
    ctx: typer.Context,
    start: Annotated[
        bool, typer.Option("--start", help="Start the local service if it does not run.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Check this installation, and say what a bug report needs.

    A line for each check: ok, note or problem, and what to do. There are no secrets in it: of
    environment variables it has the names, of your home directory `~`. Exit code 1 if there is a
    problem.
    """
    from kotta_cli.diagnosis import PROBLEM, diagnose

    app: App = ctx.obj
    app.as_json = as_json
    found = []
    for finding in diagnose(app, start=start):
        found.append(finding)
        if not as_json:
            _show(app, finding)
    if as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, [finding.shape() for finding in found])
    return ExitCode.ERROR if any(each.state == PROBLEM for each in found) else ExitCode.OK


def _show(app: App, found: Finding) -> None:
    from kotta_cli.render.plain_text import one_line

    if not app.out.is_tty:
        parts = (found.state, found.check, found.text.replace("\n", " | "), found.advice)
        app.print("\t".join(map(one_line, parts)))
        return
    from kotta_cli.render.states import paint

    sign, color = _SIGNS[found.state]
    head = paint(f"{sign} {found.state}", color, app.out.color)
    head += " " * (_CHECK_COLUMN - len(found.state) - 2)
    head += f"{found.check:<{_TEXT_COLUMN - _CHECK_COLUMN}}"
    for line in _lines(app, found):
        app.print(head + line)
        head = " " * _TEXT_COLUMN


def _lines(app: App, found: Finding) -> list[str]:
    """The text, and what to do, in lines that fit."""
    from kotta_cli.help_page import wrap
    from kotta_cli.render.plain_text import one_line
    from kotta_cli.render.states import paint

    room = app.out.columns - _TEXT_COLUMN
    lines = [
        # a path may be longer than the line
        part[at : at + room]
        for line in found.text.split("\n")
        for part in wrap(one_line(line), room)
        for at in range(0, len(part), room)
    ]
    if found.advice:
        advice = wrap(one_line(found.advice), room - 6)
        lines.append("next: " + paint(advice[0], "cyan", app.out.color))
        lines += ["      " + paint(part, "cyan", app.out.color) for part in advice[1:]]
    return lines
