"""Reads job descriptions from text, and says of everything wrong with them where it stands.

What a field may hold is the wire model's business (`kotta.models.description`); files are this's.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from kotta.errors import DescriptionError, FieldProblem
from kotta.models import JobDescription
from kotta.models.array import filled
from kotta.models.problems import UNKNOWN, field_problems
from kotta.places import Places, repeated_keys

MAX_BYTES = 16 << 20
REPEATED = "stands there twice; one of them would be ignored"
MAX_REPEATED = 100
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_SUBMITTED = re.compile(r"^/jobs/(\d+)")


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
        said_elsewhere: fields that were set by something else than the text.
    """

    source: str
    text: str
    documents: list[dict[str, Any]]
    is_list: bool
    directory: Path
    places: dict[str, tuple[int, int]] | None = None
    said_elsewhere: set[str] = field(default_factory=set)

    def pointer(self, index: int) -> str:
        """Where the description of that index lies in the text."""
        return f"/{index}" if self.is_list else ""


def read(path: Path) -> LoadedDescription:
    """Reads a file that describes a job; relative `inputs` are looked up beside it.

    JSON, YAML (`.yaml`, `.yml`), or a script, whose head may hold `#KOTTA name: value` lines.

    Raises:
        DescriptionError: it cannot be read, is too large, or is not what its name says.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DescriptionError(f"cannot read {path}: {error.strerror}") from error
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return load_yaml(content, str(path), directory=path.parent)
    if ending == ".json" or content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b""):
        return load(content, str(path), directory=path.parent)
    return load_script(content, path.name, str(path), directory=path.parent)


def sniff(content: bytes, source: str) -> LoadedDescription:
    """Understands a text without a name: JSON, a script that says so by `#!` or `#KOTTA`, or YAML.

    Raises:
        DescriptionError: it is none of them.
    """
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"[", b""):
        return load(content, source)
    if start.startswith((b"#!", b"#KOTTA", b"# KOTTA")):
        return load_script(content, "script.sh", source)
    return load_yaml(content, source)


def load_yaml(
    content: bytes | str, source: str = "the description", *, directory: Path | None = None
) -> LoadedDescription:
    """The same as `load`, of YAML."""
    from kotta.yaml_text import YamlError, parse

    text = _text(content, source)
    try:
        found = parse(text)
    except YamlError as error:
        _refuse(f"{source} is not YAML", [error.problem], source, text)
    is_list = isinstance(found.value, list)
    documents = found.value if isinstance(found.value, list) else [found.value]
    loaded = LoadedDescription(source, text, documents, is_list, directory or Path(), found.places)
    if problems := _shape_problems(loaded) + found.problems:
        _refuse(_heading(source, problems), _placed(loaded, problems), source, text)
    return loaded


def load_script(
    content: bytes | str,
    name: str,
    source: str = "the script",
    *,
    directory: Path | None = None,
) -> LoadedDescription:
    """A job whose script is this text, with what its `#KOTTA` lines say.

    Args:
        name: of the script's file.

    Raises:
        DescriptionError: it is no text, or a `#KOTTA` line cannot be understood.
    """
    from kotta.script_head import interpreter, read_head

    text = _text(content, source, what="a script")
    head = read_head(text)
    document: dict[str, Any] = {"script": text, "script_name": name}
    if command := interpreter(text, name):
        document["executable"] = f"{command} {shlex.quote(name)}"
    document.update(head.fields)
    loaded = LoadedDescription(source, text, [document], False, directory or Path(), head.places)
    if head.problems:
        _refuse(_heading(source, head.problems), head.problems, source, text)
    return loaded


def load(
    content: bytes | str, source: str = "the description", *, directory: Path | None = None
) -> LoadedDescription:
    """Understands a description's text.

    Args:
        directory: where relative `inputs` are looked up; None: in the current directory.

    Raises:
        DescriptionError: it is too large, not UTF-8, or not JSON; says at which line and column.
    """
    text = _text(content, source)
    repeats = False

    def noticing_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        found = dict(pairs)
        repeats = repeats or len(found) < len(pairs)
        return found

    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=noticing_repeats)
    except json.JSONDecodeError as error:
        hint = "write a line break inside a text as \\n" if "control character" in error.msg else ""
        problem = FieldProblem("", _plain(error.msg), hint, error.lineno, error.colno)
        _refuse(f"{source} is not JSON", [problem], source, text)
    except RecursionError:
        _refuse(f"{source} is nested too deeply", [], source, text)
    except ValueError as error:
        _refuse(f"{source} is not JSON: {error}", [], source, text)
    is_list = isinstance(value, list)
    documents = value if is_list else [value]
    loaded = LoadedDescription(source, text, documents, is_list, directory or Path())
    problems = _shape_problems(loaded)
    if repeats:
        problems += [
            FieldProblem(pointer, REPEATED) for pointer in repeated_keys(text, MAX_REPEATED)
        ]
    if problems:
        _refuse(_heading(source, problems), _placed(loaded, problems), source, text)
    return loaded


def to_descriptions(loaded: LoadedDescription) -> list[JobDescription]:
    """The descriptions, checked; local `inputs` are made absolute.

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
        placed = _placed(loaded, problems)
        _refuse(_heading(loaded.source, problems), placed, loaded.source, loaded.text)
    return found


def locate(error: DescriptionError, loaded: LoadedDescription) -> DescriptionError:
    """The same error, as the service gave it, with its places in the file."""

    def own(problem: FieldProblem) -> FieldProblem:
        pointer = _SUBMITTED.sub(lambda match: loaded.pointer(int(match[1])), problem.pointer)
        return replace(problem, pointer=pointer)

    problems = [own(problem) for problem in error.problems]
    # what no description says is the user's settings' word, or the service's own
    said = {name for document in loaded.documents for name in document}
    loaded.said_elsewhere |= {re.split(r"[.\[]", each.field)[0] for each in problems} - said
    return DescriptionError(
        _heading(loaded.source, problems) if problems else error.message,
        problems=tuple(_placed(loaded, problems)),
        source=loaded.source,
        text=loaded.text,
        hint=error.hint,
        request_id=error.request_id,
    )


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
    return ""


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


def _shape_problems(loaded: LoadedDescription) -> list[FieldProblem]:
    if not loaded.documents:
        return [FieldProblem("", "is an empty list: there is nothing to submit")]
    return [
        FieldProblem(loaded.pointer(index), "must be an object of fields and values")
        for index, document in enumerate(loaded.documents)
        if not isinstance(document, dict)
    ]


def _text(content: bytes | str, source: str, what: str = "a description") -> str:
    if len(content) > MAX_BYTES:
        raise DescriptionError(
            f"{source} is larger than {MAX_BYTES >> 20} MiB, which is too much for {what}",
            hint="name large files in `inputs`; they are uploaded by themselves",
            source=source,
        )
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DescriptionError(
            f"{source} is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}",
            source=source,
        ) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]


def _heading(source: str, problems: list[FieldProblem]) -> str:
    count = len(problems)
    return f"{source} has {count} problem{'s' if count != 1 else ''}"


def _refuse(message: str, problems: Iterable[FieldProblem], source: str, text: str) -> NoReturn:
    raise DescriptionError(message, problems=tuple(problems), source=source, text=text)


def _placed(loaded: LoadedDescription, problems: Iterable[FieldProblem]) -> list[FieldProblem]:
    """The problems with line and column, in the order of the text."""
    problems = list(problems)
    if not loaded.text:
        return problems
    if loaded.places is not None:
        return [_placed_by(loaded.places, problem, loaded) for problem in problems]
    elsewhere = [problem for problem in problems if _is_elsewhere(problem, loaded)]
    problems = [problem for problem in problems if problem not in elsewhere]
    places = Places(loaded.text, {problem.pointer for problem in problems})
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
        line += loaded.text.count("\n", before, offset)
        line_start = loaded.text.rfind("\n", before, offset) + 1 or line_start
        placed.append(replace(problem, line=line, column=offset - line_start + 1))
        before = offset
    return placed + elsewhere


def _is_elsewhere(problem: FieldProblem, loaded: LoadedDescription) -> bool:
    parts = problem.pointer.split("/")[2 if loaded.is_list else 1 :]
    return bool(parts) and parts[0] in loaded.said_elsewhere


def _placed_by(
    places: Mapping[str, tuple[int, int]], problem: FieldProblem, loaded: LoadedDescription
) -> FieldProblem:
    if problem.line is not None or _is_elsewhere(problem, loaded):
        return problem
    pointer = problem.pointer
    while pointer not in places and pointer:
        pointer = pointer.rpartition("/")[0]
    line, column = places.get(pointer, (None, None))
    return replace(problem, line=line, column=column)
