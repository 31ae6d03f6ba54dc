"""`kotta share`: letting others see jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JobArguments, JsonOption, UsageProblem
from kotta_cli.render.plain_text import one_line
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kotta.models import SharedJob
    from kotta_cli.context import App

EVERYONE, OFF = "everyone", "off"
MAX_SENTENCES = 10
"""More jobs than that are counted rather than named."""

app = command_app()


@app.command(
    "share",
    cls=Command,
    epilog=examples(
        {
            "kotta share @last --with bob": "One user may see it",
            "kotta share sweep --with everyone": "All jobs of an array, everybody",
            "kotta share @last --with off": "Nobody any more",
            "kotta share @last": "Say who may see it",
        }
    ),
)
def share(
    ctx: typer.Context,
    jobs: JobArguments,
    readers: Annotated[
        list[str] | None,
        typer.Option(
            "--with", metavar="USER", help="A user's name, everyone, or off; may be repeated."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Let others see jobs, at a shared service.

    They see all there is of a job: its description, streams, usage and outputs. They can fetch the
    outputs, use them as inputs and submit the same again; they cannot cancel it.
    """
    from kotta_cli.selecting import chosen

    app: App = ctx.obj
    app.as_json = as_json
    names = _names(readers or [])
    found = chosen(app, jobs)
    shared = app.client.share(found.jobs, names, replace=OFF in (readers or []))
    app.remember(found.jobs)
    _render(app, shared, one=found.is_one)
    return ExitCode.OK


def _names(readers: Sequence[str]) -> list[str]:
    """The readers as the service calls them.

    Raises:
        UsageProblem: some are to see the jobs, and nobody is.
    """
    if OFF in readers and len(readers) > 1:
        raise UsageProblem("`--with off` is for nobody, and others were named", hint="--with off")
    return ["*" if name == EVERYONE else name for name in readers if name != OFF]


def _render(app: App, shared: Sequence[SharedJob], *, one: bool) -> None:
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, shared[0] if one else shared)
    elif not app.out.is_tty:
        for job in shared:
            app.print(f"{job.id}\t{','.join(map(one_line, job.shared_with))}")
    elif len(shared) > MAX_SENTENCES and len({tuple(job.shared_with) for job in shared}) == 1:
        app.print(f"{len(shared)} jobs are shared with {_readers(shared[0])}.")
    else:
        for job in shared:
            app.print(f"{one_line(job.name)} ({job.id[:8]}) is shared with {_readers(job)}.")


def _readers(job: SharedJob) -> str:
    names = ["everybody" if name == "*" else one_line(name) for name in job.shared_with]
    if len(names) < 2:
        return names[0] if names else "nobody"
    return ", ".join(names[:-1]) + " and " + names[-1]
