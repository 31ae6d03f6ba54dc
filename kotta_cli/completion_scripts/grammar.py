"""What a shell must know of the command line: commands, options, and what their values are."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import typer

from kotta.models import JobState
from kotta_cli.command_table import TOPICS, command_names
from kotta_cli.job_fields import FIELDS
from kotta_cli.json_fields import known_fields
from kotta_cli.tree import load, root

HEADER = "made by `python -m kotta_cli.completion_scripts`; do not edit"

WORDS = {
    "STATE": [state.value for state in JobState if state is not JobState.UNSUBMITTED],
    "STREAM": ["stdout", "stderr"],
    "SHELL": ["bash", "zsh", "fish"],
    "FIELDS": list(FIELDS),
    "FIELD": [*FIELDS, *(f"-{name}" for name in FIELDS)],
}
"""Metavar → every value there is."""
LISTS = ("FIELDS",)
"""Metavars of which several are given, with commas between them."""
REQUESTS = {
    "JOB": "job",
    "JOB...": "jobs",
    "JOB OTHER": "job",
    "JOB FILE...": "job-then-outputs",
    "JOB:FILE": "job-and-output",
    "JOB:FILE...": "job-and-output",
    "JOB:FILE... PATH": "job-and-output",
    "QUEUE": "queues",
    "TAG": "tags",
    "PROFILE": "profiles",
    "KEY": "keys",
    "KEY VALUE": "key-then-value",
}
"""Metavar of an option, or of all arguments → what `kotta __complete` is asked."""
FILES = ("FILE", "PATH")
DIRECTORIES = ("DIR",)

_ACTIVE_ONLY = ("cancel", "wait")
"""Commands for which a job that has ended is of no use."""


@dataclass(frozen=True)
class Value:
    """What stands in one place: an option's value or an argument.

    Attributes:
        metavar: how help pages call it.
        request: what to ask `kotta __complete`, "" for nothing.
        words: every value there is, empty where they cannot be listed.
        is_file: whether a file of one's own may stand there.
        is_list: whether several are given, with commas between them.
        is_repeatable: whether more words may follow.
    """

    metavar: str
    request: str = ""
    words: tuple[str, ...] = ()
    is_file: bool = False
    is_list: bool = False
    is_repeatable: bool = False

    @property
    def is_directory(self) -> bool:
        return self.metavar in DIRECTORIES


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        value: what has to follow, None for a flag.
        attached: what may follow a flag behind `=`, None for nothing.
    """

    names: tuple[str, ...]
    help: str
    value: Value | None
    is_repeatable: bool = False
    attached: Value | None = None


@dataclass(frozen=True)
class Command:
    """One command, with its options in the order of its help page."""

    name: str
    help: str
    options: tuple[Option, ...]
    argument: Value | None = None
    commands: tuple[Command, ...] = field(default=())


_HELP_OPTION = Option(("-h", "--help"), "Show this page and exit", None)


@cache
def grammar() -> Command:
    """The whole command line, its commands below it."""
    top = root()
    commands = tuple(_command(name, load(name)) for name in command_names())
    return Command("kotta", "", _options(top, "kotta"), commands=(*commands, _help()))


def _help() -> Command:
    """`kotta help`, which is answered before there is a command tree."""
    about = Value("TOPIC", words=(*command_names(), *TOPICS))
    return Command("help", "Say more about a command or a topic.", (_HELP_OPTION,), about)


def _command(name: str, command: Any, above: str = "") -> Command:
    path = f"{above} {name}".strip()
    arguments = [
        str(param.metavar) for param in command.params if param.param_type_name == "argument"
    ]
    subcommands: dict[str, Any] = getattr(command, "commands", {})
    return Command(
        name=name,
        help=(command.help or "").split("\n")[0],
        options=_options(command, path),
        argument=_argument(arguments, name) if arguments else None,
        commands=tuple(_command(sub, below, path) for sub, below in subcommands.items()),
    )


def _options(command: Any, path: str) -> tuple[Option, ...]:
    options = [
        Option(
            names=tuple(sorted(param.opts, key=len)),
            help=(param.help or "").rstrip("."),
            value=None if param.is_flag else _value(param.metavar, path),
            is_repeatable=param.multiple,
            attached=_json_fields(path) if "--json" in param.opts else None,
        )
        for param in command.params
        if param.param_type_name == "option" and not param.hidden
    ]
    return (*options, _HELP_OPTION)


def _json_fields(path: str) -> Value | None:
    words = tuple(known_fields(path.split()))
    return Value("FIELDS", words=words, is_list=True) if words else None


def _argument(metavars: list[str], command: str) -> Value:
    """What stands where arguments do; which of them comes next is told by the words before it."""
    together = " ".join(metavars)
    request = REQUESTS.get(together, "")
    if request == "jobs" and command in _ACTIVE_ONLY:
        request = "active-jobs"
    if not request:
        return _value(metavars[0], command)
    return Value(
        metavars[0].rstrip("."),
        request,
        is_file=metavars[-1] == "PATH",
        is_repeatable=" " in together or "..." in together,
    )


def _value(metavar: str | None, command: str) -> Value:
    if metavar is None:
        raise typer.BadParameter(f"a value of `kotta {command}` has no metavar")
    name = metavar.rstrip(".")
    return Value(
        name,
        REQUESTS.get(metavar, ""),
        tuple(WORDS.get(name, ())),
        is_file=name in FILES,
        is_list=name in LISTS,
        is_repeatable=metavar.endswith("..."),
    )
