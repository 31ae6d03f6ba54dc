"""`kotta cp`: output files to paths of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, QuietOption, UsageProblem
from kotta_cli.render.plain_text import one_line
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models import JobDetail, Output
    from kotta_cli.context import App

    Files = list[tuple[JobDetail, Output, Path]]

app = command_app()


@app.command(
    "cp",
    cls=Command,
    epilog=examples(
        {
            "kotta cp @last:result.csv today.csv": "One file, under a name of its own",
            "kotta cp 3f1c2d4e:'*.csv' 9a0b1c2d:log.txt results/": "Several, into a folder",
        }
    ),
)
def cp(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="JOB:FILE...",
            help="A job and its output, by name or pattern.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A file, or a folder (dir/).", show_default=False),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Copy jobs' output files to a path of yours.

    PATH is a folder if it is one, ends with / or is to hold several files; else it is what the one
    file will be called. Prints where each file lies. Files arrive as with `kotta fetch`: verified,
    resumed, and not again.
    """
    from kotta.transfers import fetch_to
    from kotta_cli.fetching import saying_what_is_kept, sizes_to_come
    from kotta_cli.job_files import outputs_meant
    from kotta_cli.render.transfer_bars import transfer_bars

    app: App = ctx.obj
    app.as_json = as_json
    app.quiet = quiet
    _refuse_other_directions(sources, target)
    files = _placed(outputs_meant(app, sources), sources, target)
    sizes = sizes_to_come((output.name, output, path) for _, output, path in files)
    with saying_what_is_kept(app), transfer_bars(app, sizes) as progress:
        fetch_to(app.client.api, files, force=force, progress=progress)
    _render(app, files)
    return ExitCode.OK


def _refuse_other_directions(sources: Sequence[str], target: str) -> None:
    from kotta_cli.job_files import is_job_file

    if is_job_file(target):
        raise UsageProblem(
            f"`{target}` is a job, and nothing can be put into one",
            hint="`kotta upload FILE` gives a URL for the inputs of a job to come",
        )
    if target == "-":
        raise UsageProblem("- is no path to copy to", hint="kotta cat JOB:FILE")
    for source in sources:
        if not is_job_file(source):
            raise UsageProblem(
                f"`{source}` is no JOB:FILE",
                hint="`cp` without `kotta` copies between your own folders",
            )


def _placed(
    found: Sequence[tuple[JobDetail, Output]], sources: Sequence[str], target: str
) -> Files:
    """Where each of the files is to lie."""
    path = Path(target)
    is_many = len(sources) > 1 or len(found) > 1
    if not (is_many or target.endswith("/") or path.is_dir()):
        return [(job, output, path) for job, output in found]
    if path.exists() and not path.is_dir():
        raise UsageProblem(f"`{target}` is no folder, and this means {len(found)} files")
    placed: dict[str, tuple[JobDetail, Output, Path]] = {}
    for job, output in found:
        other = placed.setdefault(output.name, (job, output, path / output.name))
        if other[0].id != job.id:
            raise UsageProblem(
                f"{other[0].id[:8]} and {job.id[:8]} have both made `{output.name}`",
                hint="copy them one by one; `kotta fetch` gives each job a folder of its own",
            )
    return list(placed.values())


def _render(app: App, files: Files) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        shapes = [
            {
                "job": job.id,
                "name": output.name,
                "path": str(path.absolute()),
                "size_bytes": output.size_bytes,
                "sha256": output.sha256,
            }
            for job, output, path in files
        ]
        print_json(app, shapes)
        return
    for _, _, path in files:
        app.print(one_line(str(path)) if app.out.is_tty else str(path))
