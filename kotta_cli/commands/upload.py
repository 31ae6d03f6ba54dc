"""`kotta upload`: files ahead of the jobs that need them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, QuietOption
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta import Upload
    from kotta_cli.context import App

app = command_app()


@app.command(
    "upload",
    cls=Command,
    epilog=examples(
        {
            "kotta upload genome.fa": "Print its URL, for a job's inputs",
            "kotta submit job.json --input $(kotta upload genome.fa)": "Use it at once",
            "kotta upload *.csv --json": "Several, with their hashes and sizes",
        }
    ),
)
def upload(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Local files.", show_default=False)
    ],
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Send files ahead, and print URLs for jobs' inputs.

    Files are named by their content: what the service has already is not sent again.
    """
    from kotta_cli.render.transfer_bars import transfer_bars

    app: App = ctx.obj
    app.as_json = as_json
    app.quiet = quiet
    sizes = {file.name: file.stat().st_size for file in files if file.is_file()}
    with transfer_bars(app, sizes) as progress:
        sent = app.client.upload_many(files, progress)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, [_shape(each) for each in sent])
        return ExitCode.OK
    for each in sent:
        app.print(each.url)
    known = len({each.sha256 for each in sent if not each.sent})
    if known and app.err.is_tty and not app.quiet:
        app.note(f"The service has {known} of them already.")
    return ExitCode.OK


def _shape(upload: Upload) -> dict[str, object]:
    return {
        "file": str(upload.file),
        "url": upload.url,
        "sha256": upload.sha256,
        "size_bytes": upload.size_bytes,
        "sent": upload.sent,
    }
