"""Job descriptions that were read from somewhere, and where in it each thing stands.

What a field may hold is the wire model's business (`kotta.models.description`), how a text becomes
a description that of `kotta.description_text`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from kotta.errors import DescriptionError, FieldProblem
from kotta.models import JobDescription
from kotta.models.array import filled
from kotta.models.problems import UNKNOWN, field_problems, unknown_queue
from kotta.places import Place, Places

REPEATED = "stands there twice; one of them would be ignored"
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_SUBMITTED = re.compile(r"^/jobs/(\d+)")


@dataclass(frozen=True)
class Origin:
    """What a field was said by, where that is not the description's text.

    Attributes:
        source: what to call it in an error: an option, or a file.
        text: of a file, its text.
        places: of a file, line and column of each value, by JSON Pointer into the description.
        first: of a list, the first entry that it added to what the text has.
    """

    source: str
    text: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)
    first: int = 0


@dataclass
class LoadedDescription:
    """What a file (or standard input) holds: one description, or a list of them.

    Attributes:
        source: what to call it in an error.
        text: its text, for showing the line that is wrong.
        documents: the descriptions as plain objects; may be changed before they are checked.
        is_list: whether it was a list, even of one.
        directory: where relative `inputs` are looked up.
        places: line and column of each value, by JSON Pointer; None where the text is JSON, which
            is searched when something is wrong.
        origins: of fields that were set by something else than the text, by what.
    """

    source: str
    text: str
    documents: list[dict[str, Any]]
    is_list: bool
    directory: Path
    places: Mapping[str, Place] | None = None
    origins: dict[str, Origin] = field(default_factory=dict)

    def pointer(self, index: int) -> str:
        """Where the description of that index lies in the text."""
        return f"/{index}" if self.is_list else ""

    def refusal(self, problems: Iterable[FieldProblem], **more: Any) -> DescriptionError:
        """The error that tells of problems, each with its place."""
        placed = self._placed(problems)
        sources = {problem.source or self.source for problem in placed}
        name = sources.pop() if len(sources) == 1 else self.source
        if name.startswith("--"):
            name = "the command line"
        count = len(placed)
        return DescriptionError(
            f"{name} has {count} problem{'s' if count != 1 else ''}",
            problems=tuple(placed),
            source=self.source,
            text=self.text,
            **more,
        )

    def _placed(self, problems: Iterable[FieldProblem]) -> list[FieldProblem]:
        """The problems with line and column, in the order of the text, others' last."""
        elsewhere, here = [], []
        for problem in problems:
            origin, inside = self._origin(problem.pointer)
            if origin is None:
                here.append(problem)
            else:
                elsewhere.append(_at(origin, inside, problem))
        if self.places is not None:
            own = [_with_place(self.places, problem.pointer, problem) for problem in here]
            here = sorted(own, key=lambda problem: (problem.line or 0, problem.column or 0))
        elif self.text:
            here = _searched(self.text, here)
        return here + elsewhere

    def _origin(self, pointer: str) -> tuple[Origin | None, str]:
        """What said the field of a pointer, and where in one description it is."""
        parts = pointer.split("/")[2 if self.is_list else 1 :]
        origin = self.origins.get(parts[0]) if parts else None
        if origin is not None and len(parts) > 1 and parts[1].isdigit():
            origin = origin if int(parts[1]) >= origin.first else None
        return origin, "".join(f"/{part}" for part in parts)


def to_descriptions(
    loaded: LoadedDescription, known_queues: Callable[[], Sequence[str]] = list
) -> list[JobDescription]:
    """The descriptions, checked; local `inputs` are made absolute.

    Args:
        known_queues: asked if something is wrong, so that a queue that there is not is told of
            with the rest; the service would not be asked about the descriptions. Empty if it is
            not known which there are.

    Raises:
        DescriptionError: with every problem of every description, each with line and column.
    """
    problems: list[FieldProblem] = []
    found = []
    for index, document in enumerate(loaded.documents):
        prefix = (index,) if loaded.is_list else ()
        try:
            description = JobDescription.model_validate(document)
        except ValidationError as error:
            problems += field_problems(error, prefix=prefix)
            continue
        inputs, missing = _local_inputs(loaded, index, description)
        problems += missing
        found.append(description.model_copy(update={"inputs": inputs}))
    if problems:
        raise loaded.refusal([*problems, *_unknown_queues(loaded, known_queues())])
    return found


def locate(error: DescriptionError, loaded: LoadedDescription) -> DescriptionError:
    """The same error, as the service gave it, with its places in the file."""

    def own(problem: FieldProblem) -> FieldProblem:
        pointer = _SUBMITTED.sub(lambda match: loaded.pointer(int(match[1])), problem.pointer)
        return replace(problem, pointer=pointer)

    problems = [own(problem) for problem in error.problems]
    # what no description says is the user's settings' word, or the service's own
    said = {name for document in loaded.documents for name in document}
    for name in {re.split(r"[.\[]", each.field)[0] for each in problems} - said:
        loaded.origins.setdefault(name, Origin(""))
    found = loaded.refusal(problems, hint=error.hint, request_id=error.request_id)
    if not error.problems:
        found.message = error.message
    return found


def is_local(item: str) -> bool:
    """Whether an entry of `inputs` is a path rather than a URL."""
    return not _URL.match(item)


def missing_file(path: str, name: str = "") -> str:
    """What is wrong with a local input that is to be uploaded, "" if nothing is.

    Args:
        name: what the description calls it, if not by this path.
    """
    if not os.path.exists(path):
        looked = f": looked for {path}" if name else ""
        return f"`{name or path}` is not there{looked}"
    if not os.path.isfile(path):
        return f"`{name or path}` is no regular file{f': {path}' if name else ''}"
    if not os.access(path, os.R_OK):
        return f"`{name or path}` may not be read{f': {path}' if name else ''}"
    return ""


def refuse(message: str, problems: Iterable[FieldProblem], source: str, text: str) -> NoReturn:
    """Refuses a text whose problems have their places already.

    Raises:
        DescriptionError: always.
    """
    raise DescriptionError(message, problems=tuple(problems), source=source, text=text)


def _unknown_queues(loaded: LoadedDescription, known: Sequence[str]) -> Iterator[FieldProblem]:
    for index, document in enumerate(loaded.documents):
        name = document.get("queue")
        if known and isinstance(name, str) and name not in known:
            yield unknown_queue(f"{loaded.pointer(index)}/queue", name, known)


def _local_inputs(
    loaded: LoadedDescription, index: int, description: JobDescription
) -> tuple[list[str], list[FieldProblem]]:
    inputs, problems = [], []
    for position, item in enumerate(description.inputs):
        if not is_local(item):
            inputs.append(item)
            continue
        path = os.path.abspath(loaded.directory / os.path.expanduser(item))
        inputs.append(path)
        for values in description.array or [{}]:
            if words := missing_file(filled(path, values), filled(item, values)):
                problems.append(FieldProblem(f"{loaded.pointer(index)}/inputs/{position}", words))
                break
    return inputs, problems


def _at(origin: Origin, pointer: str, problem: FieldProblem) -> FieldProblem:
    placed = _with_place(origin.places, pointer, problem)
    lines = origin.text.splitlines()
    line = lines[placed.line - 1] if placed.line and placed.line <= len(lines) else None
    return replace(placed, source=origin.source, excerpt=line)


def _with_place(places: Mapping[str, Place], pointer: str, problem: FieldProblem) -> FieldProblem:
    if problem.line is not None:
        return problem
    while pointer not in places and pointer:
        pointer = pointer.rpartition("/")[0]
    line, column = places.get(pointer, (None, None))
    return replace(problem, line=line, column=column)


def _searched(text: str, problems: list[FieldProblem]) -> list[FieldProblem]:
    """Problems of a JSON text with their places, in its order."""
    places = Places(text, {problem.pointer for problem in problems})
    # for what should not be there, its name is the place
    offsets = [
        places.of_key(problem.pointer)
        if problem.detail in (UNKNOWN, REPEATED)
        else places.of_value(problem.pointer)
        for problem in problems
    ]
    placed = []
    line, line_start, before = 1, 0, 0
    for offset, problem in sorted(zip(offsets, problems, strict=True), key=lambda pair: pair[0]):
        line += text.count("\n", before, offset)
        line_start = text.rfind("\n", before, offset) + 1 or line_start
        placed.append(replace(problem, line=line, column=offset - line_start + 1))
        before = offset
    return placed
