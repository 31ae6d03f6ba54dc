"""Turns what pydantic says of a request into sentences with a place, the same on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from kotta.errors import FieldProblem
from kotta.models.description import DESCRIPTION_FIELDS, known_field_near

UNKNOWN = "is not a known field"


def field_problems(
    error: ValidationError, *, prefix: tuple[str | int, ...] = ()
) -> tuple[FieldProblem, ...]:
    """Every problem in `error`, with its place as a JSON Pointer.

    Args:
        prefix: where the validated document lies inside the larger one, as path parts.
    """
    return located(error.errors(include_url=False, include_input=False), prefix=prefix)


def located(
    errors: Sequence[Any], *, prefix: tuple[str | int, ...] = ()
) -> tuple[FieldProblem, ...]:
    """The same for pydantic's list of errors, however it was come by."""
    return tuple(FieldProblem(pointer(*prefix, *item["loc"]), *_words(item)) for item in errors)


def unknown_queue(place: str, name: str, known: Iterable[str]) -> FieldProblem:
    """What is wrong with a queue that there is not.

    Args:
        place: of the queue's name, as a JSON Pointer.
        known: the queues that there are.
    """
    names = ", ".join(f"`{each}`" for each in known)
    return FieldProblem(place, f"`{name}` is no queue here", f"the queues are {names}")


def pointer(*parts: str | int) -> str:
    """The parts as an RFC 6901 JSON Pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _words(item: dict[str, Any]) -> tuple[str, str]:
    kind, where = item["type"], item["loc"]
    if kind == "extra_forbidden":
        near = known_field_near(str(where[-1]))
        if near:
            return UNKNOWN, f"did you mean `{near}`?"
        return UNKNOWN, "known: " + ", ".join(DESCRIPTION_FIELDS)
    if kind == "missing":
        return "is missing", ""
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be an object of fields and values", ""
    if kind == "value_error":
        return str(item["ctx"]["error"]), ""
    return str(item["msg"]).lower(), ""
