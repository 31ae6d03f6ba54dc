"""The options that say what a job's description says: those of `submit`, and of `rerun`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import typer

from kotta_cli.tree import words_after_dashes

WHAT, WHERE, MANY = "What to run", "Where and how long", "Many, and in which order"
"""Headings on the help page."""

_Words = list[str] | None


@dataclass(kw_only=True)
class DescriptionOptions:
    """What these options were given; see `kotta_cli.overrides` for what they mean.

    Each field is an option, and declared nowhere else; `command` is what stood after `--`.
    """

    inputs: Annotated[
        _Words,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="File or URL to bring along.",
            rich_help_panel=WHAT,
        ),
    ] = None
    outputs: Annotated[
        _Words,
        typer.Option("--output", "-o", metavar="NAME", help="File to keep.", rich_help_panel=WHAT),
    ] = None
    env: Annotated[
        _Words,
        typer.Option(
            "--env",
            "-e",
            metavar="NAME=VALUE",
            help="Variable for the command; NAME alone passes on one's own.",
            rich_help_panel=WHAT,
        ),
    ] = None
    requirements: Annotated[
        str | None,
        typer.Option(
            "--requirements",
            metavar="FILE",
            help="Python packages to have, from a requirements file.",
            rich_help_panel=WHAT,
        ),
    ] = None
    sets: Annotated[
        _Words,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Any field of the description; goes over everything else.",
            rich_help_panel=WHAT,
        ),
    ] = None
    name: Annotated[
        str | None,
        typer.Option(
            "--name", "-n", metavar="NAME", help="What to call it.", rich_help_panel=WHERE
        ),
    ] = None
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="QUEUE", help="Queue to wait in.", rich_help_panel=WHERE),
    ] = None
    walltime: Annotated[
        str | None,
        typer.Option(
            "--walltime",
            "-t",
            metavar="MINUTES",
            help="Longest time it may run.",
            rich_help_panel=WHERE,
        ),
    ] = None
    cpus: Annotated[
        str | None,
        typer.Option("--cpus", metavar="N", help="Cores to count for it.", rich_help_panel=WHERE),
    ] = None
    gpus: Annotated[
        str | None,
        typer.Option("--gpus", metavar="N", help="GPUs to reserve for it.", rich_help_panel=WHERE),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Memory to count for it, as 4GiB.",
            rich_help_panel=WHERE,
        ),
    ] = None
    retries: Annotated[
        str | None,
        typer.Option(
            "--retries", metavar="N", help="Start it again if it is lost.", rich_help_panel=WHERE
        ),
    ] = None
    tags: Annotated[
        _Words,
        typer.Option("--tag", metavar="TAG", help="Word to find it by.", rich_help_panel=WHERE),
    ] = None
    array: Annotated[
        str | None,
        typer.Option(
            "--array",
            metavar="FILE",
            help="A job for each line: JSON objects, or plain values.",
            rich_help_panel=MANY,
        ),
    ] = None
    sweeps: Annotated[
        _Words,
        typer.Option(
            "--sweep",
            metavar="NAME=V1,V2",
            help="A job for each value; NAME=1..9 counts. Several multiply.",
            rich_help_panel=MANY,
        ),
    ] = None
    after: Annotated[
        _Words,
        typer.Option(
            "--after", metavar="JOB", help="Start once this has completed.", rich_help_panel=MANY
        ),
    ] = None
    command: Sequence[str] = ()


def with_description_options(command: Callable[..., int]) -> Callable[..., int]:
    """The command with these options in place of its parameter `options`, which it is given."""
    hints = get_type_hints(DescriptionOptions, include_extras=True)
    declared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(DescriptionOptions)
        if field.name != "command"
    ]
    names = [parameter.name for parameter in declared]

    def called(ctx: typer.Context, **given: Any) -> int:
        ours = {name: given.pop(name) for name in names}
        options = DescriptionOptions(**ours, command=words_after_dashes(ctx))
        return command(ctx, options=options, **given)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += declared if parameter.name == "options" else [parameter]
    # what Typer reads a command from
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called
