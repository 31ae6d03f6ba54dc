"""Options that say what a job's description says: those of `submit`, and of `rerun`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WHAT, WHERE, MANY = "What to run", "Where and how long", "Many, and in which order"
"""Headings on the help page."""

InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", metavar="FILE", help="File or URL to bring along.", rich_help_panel=WHAT
    ),
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option("--output", "-o", metavar="NAME", help="File to keep.", rich_help_panel=WHAT),
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        "-e",
        metavar="NAME=VALUE",
        help="Variable for the command; NAME alone passes on one's own.",
        rich_help_panel=WHAT,
    ),
]
RequirementsOption = Annotated[
    Path | None,
    typer.Option(
        "--requirements",
        metavar="FILE",
        help="Python packages to have, from a requirements file.",
        rich_help_panel=WHAT,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any field of the description; goes over everything else.",
        rich_help_panel=WHAT,
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", "-n", metavar="NAME", help="What to call it.", rich_help_panel=WHERE),
]
QueueOption = Annotated[
    str | None,
    typer.Option("--queue", metavar="QUEUE", help="Queue to wait in.", rich_help_panel=WHERE),
]
WalltimeOption = Annotated[
    float | None,
    typer.Option(
        "--walltime", "-t", metavar="MINUTES", help="Longest time it may run.",
        rich_help_panel=WHERE,
    ),
]  # fmt: skip
CpusOption = Annotated[
    int | None,
    typer.Option("--cpus", metavar="N", help="Cores to count for it.", rich_help_panel=WHERE),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory", metavar="SIZE", help="Memory to count for it, as 4GiB.", rich_help_panel=WHERE
    ),
]
RetriesOption = Annotated[
    int | None,
    typer.Option(
        "--retries", metavar="N", help="Start it again if it is lost.", rich_help_panel=WHERE
    ),
]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Word to find it by.", rich_help_panel=WHERE),
]
AfterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--after", metavar="JOB", help="Start once this has completed.", rich_help_panel=MANY
    ),
]
ArrayOption = Annotated[
    Path | None,
    typer.Option(
        "--array",
        metavar="FILE",
        help="A job for each line: JSON objects, or plain values.",
        rich_help_panel=MANY,
    ),
]
SweepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="NAME=V1,V2",
        help="A job for each value; NAME=1..9 counts. Several multiply.",
        rich_help_panel=MANY,
    ),
]
