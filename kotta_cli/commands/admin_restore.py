"""`kotta admin restore`: makes a data directory of a backup.

It imports the service, as `serve` does: there is none yet that could be asked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "restore",
    cls=Command,
    epilog=examples({"kotta admin restore kotta.tar --data /srv/kotta": "On a new machine"}),
)
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive of a backup.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Into this directory, which is empty or new."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Make a data directory of a backup, on this machine, for a service that does not run yet.

    Every file is checked first; if something is broken, nothing is restored. Jobs that ran when the
    backup was made are lost, or start again where they asked for retries; jobs that waited wait.
    """
    from kotta import paths
    from kotta_cli.commands.admin_upkeep import render_check
    from kotta_cli.context import collect_garbage_again
    from kotta_service.upkeep.restoring import restore as restore_backup

    app: App = ctx.obj
    app.as_json = as_json
    collect_garbage_again()
    directory = Path(os.path.abspath(data)) if data is not None else paths.data_directory()
    report = restore_backup(file, directory)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, report)
    else:
        render_check(app, report)
        if not report.broken:
            app.print(str(directory))
    return ExitCode.ERROR if report.broken else ExitCode.OK
