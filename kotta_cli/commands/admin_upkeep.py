"""`kotta admin check`: what whoever keeps a service does about all that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models.upkeep import CheckReport
    from kotta_cli.context import App

app = command_app()


@app.command(
    "check",
    cls=Command,
    epilog=examples(
        {
            "kotta admin check": "Exit code 1 if something is broken",
            "kotta admin check --contents": "Read every file as well",
        }
    ),
)
def check(
    ctx: typer.Context,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read every file, and compare its SHA-256.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Hold all that the service keeps to what it promises.

    Every job, its history and its files are looked at; nothing is changed. It may be done at any
    time. `--contents` takes as long as reading all files does.
    """
    app: App = ctx.obj
    app.as_json = as_json
    report = app.client.upkeep.check(contents=contents)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, report)
    else:
        render_check(app, report)
    return ExitCode.ERROR if report.broken else ExitCode.OK


def render_check(app: App, report: CheckReport) -> None:
    """The defects, a line each on stdout, and what was looked at on stderr."""
    from kotta_cli.render.plain_text import one_line
    from kotta_cli.render.states import paint
    from kotta_cli.render.times import size

    for defect in report.defects:
        if app.out.is_tty:
            color = "red" if defect.kind == "broken" else "yellow"
            kind = paint(f"{defect.kind:<8}", color, app.out.color)
            app.print(f"{kind}  {one_line(defect.subject)}: {one_line(defect.words)}")
        else:
            app.print("\t".join(map(one_line, (defect.kind, defect.subject, defect.words))))
    told = len(report.defects)
    if told < report.broken + report.leftovers:
        app.note(f"… and {report.broken + report.leftovers - told} more")
    read = f", {size(report.read_bytes)} read" if report.read_bytes else ""
    app.note(
        f"Jobs: {report.jobs}, outputs: {report.outputs}, uploads: {report.uploads}{read}. "
        f"Broken: {report.broken}, left over: {report.leftovers}."
    )
