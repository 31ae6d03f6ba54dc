"""Says what Typer has against a command line in our own words, with what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kotta.errors import KottaError
from kotta_cli import json_fields
from kotta_cli.command_table import command_names


def usage_error(error: Any, arguments: Sequence[str]) -> KottaError:
    """The same complaint as an error of ours.

    Args:
        error: a `typer.TyperException`. Typer exports only that root, so its kinds are told apart
            by name.
        arguments: the command line, for complaints that do not say which command they are about.
    """
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _command_path(arguments)
    hint = getattr(error, "hint", "")
    match type(error).__name__:
        case "NoSuchOption":
            message = f"there is no option `{error.option_name}`"
            hint = f"did you mean `{error.possibilities[0]}`?" if error.possibilities else ""
        case "BadOptionUsage":
            needs = "needs a value" if "requires" in error.message else "takes no value"
            message = f"`{error.option_name}` {needs}"
        case "MissingParameter":
            message = f"`{path}` needs {_missing(error.param, context)}"
        case "BadParameter":
            message = _bad_value(error)
        case "UsageError" if "unexpected extra" in error.message:
            word = error.message.rpartition("(")[2].rstrip(")").split()[0]
            message = f"`{path}` has no use for `{word}`"
            if field := json_fields.misread(arguments, word):
                message, hint = field.message, field.hint
        case _:
            message = error.format_message().rstrip(".")
    return KottaError(message, hint=hint or f"see `{path} --help`", code="usage")


def _missing(param: Any, context: Any) -> str:
    """What is missing, and the arguments behind it: of `a... b` a single word is taken for `b`."""
    behind = [param]
    if param.param_type_name == "argument" and context is not None:
        known = context.command.params
        rest = known[known.index(param) + 1 :]
        behind += [each for each in rest if each.param_type_name == "argument" and each.required]
    return " and ".join(each.metavar.rstrip(".") for each in behind)


def _bad_value(error: Any) -> str:
    param, message = error.param, error.message
    name = max(param.opts, key=len) if param.param_type_name == "option" else param.metavar
    for said, meant in (
        ("valid integer", "must be a whole number"),
        ("valid number", "must be a number"),
        ("than or equal to", "must be at least " + message.rpartition(" ")[2]),
    ):
        if said in message:
            return f"`{name}` {meant}"
    return f"`{name}`: {message}"


def _command_path(arguments: Sequence[str]) -> str:
    named = [word for word in arguments if word in command_names()]
    return f"kotta {named[0]}" if named else "kotta"
