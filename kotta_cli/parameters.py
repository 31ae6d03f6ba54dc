"""Options and arguments that several commands have, and what all of them say of a wrong value."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON, or FIELDS of it, and errors as JSON.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
IdsOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print ids only.")]
JobArgument = Annotated[
    str,
    typer.Argument(metavar="JOB", help="Id or its start, name, @last, @2.", show_default=False),
]
JobArguments = Annotated[
    list[str],
    typer.Argument(
        metavar="JOB...",
        help="Id or its start, name or glob, @last, @failed, tag=x.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]


_MAX_DIGITS = 9
_UNITS = {"min": 60, "h": 3600, "d": 86_400, "w": 604_800}


class UsageProblem(typer.TyperException):
    """The command line is wrong, and we know better than Typer what was meant."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def one_of(value: str, known: list[str], what: str) -> str:
    """`value`, if it is known; else a usage error that names the nearest.

    Raises:
        UsageProblem: it is not.
    """
    if value in known:
        return value
    near = nearest(value, known)
    hint = f"did you mean `{near}`?" if near else "one of: " + ", ".join(known)
    raise UsageProblem(f"`{value}` is no {what}", hint=hint)


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that is most like `word`, None where none is."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return near[0] if near else None


def span_seconds(option: str, text: str) -> int:
    """How long `12h`, `30d` or `4w` is.

    Raises:
        UsageProblem: it is none of that kind.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :]
    is_number = number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS
    if not is_number or not int(number) or unit not in _UNITS:
        raise UsageProblem(f"`{option} {text}` is no time", hint=f"{option} 12h, 30d or 4w")
    return int(number) * _UNITS[unit]
