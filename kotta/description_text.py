"""Makes descriptions of texts: JSON, YAML, or a script that says in its head how it is run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NoReturn

from kotta.description import REPEATED, LoadedDescription, refuse
from kotta.errors import DescriptionError, FieldProblem
from kotta.places import repeated_keys

MAX_BYTES = 16 << 20
MAX_REPEATED = 100


def read(path: Path) -> LoadedDescription:
    """Reads a file that describes a job; relative `inputs` are looked up beside it.

    JSON, YAML (`.yaml`, `.yml`), or a script, whose head may hold `#KOTTA name: value` lines.

    Raises:
        DescriptionError: it cannot be read, is too large, or is not what its name says.
    """
    from kotta.script_head import runs_by_its_name

    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DescriptionError(f"cannot read {path}: {error.strerror}") from error
    ending, directory = path.suffix.lower(), path.parent
    if ending in (".yaml", ".yml"):
        return load_yaml(content, str(path), directory=directory)
    is_json = ending == ".json" or _looks_like_json(content)
    if is_json and not runs_by_its_name(path.name):
        return load(content, str(path), directory=directory)
    if not runs_by_its_name(path.name) and not _is_script(content):
        # anything at all could be handed to a shell, and would do whatever its lines happen to mean
        raise DescriptionError(
            f"{path} is no description, and does not say what runs it",
            hint="JSON, .yaml, or a script with `#!` in its first line; --script takes any text",
            source=str(path),
        )
    return load_script(content, path.name, str(path), directory=directory)


def sniff(content: bytes, source: str) -> LoadedDescription:
    """Understands a text without a name: JSON, a script that says so by `#!` or `#KOTTA`, or YAML.

    Raises:
        DescriptionError: it is none of them.
    """
    if _is_script(content):
        return load_script(content, "script.sh", source)
    if _looks_like_json(content):
        return load(content, source)
    return load_yaml(content, source)


def load(
    content: bytes | str, source: str = "the description", *, directory: Path | None = None
) -> LoadedDescription:
    """Understands a description's text, which is JSON.

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
        refuse(f"{source} is not JSON", [problem], source, text)
    except RecursionError:
        refuse(f"{source} is nested too deeply", [], source, text)
    except ValueError as error:
        refuse(f"{source} is not JSON: {error}", [], source, text)
    loaded = _loaded(value, source, text, directory)
    problems = _shape_problems(loaded)
    if repeats:
        problems += [
            FieldProblem(pointer, REPEATED) for pointer in repeated_keys(text, MAX_REPEATED)
        ]
    if problems:
        raise loaded.refusal(problems)
    return loaded


def load_yaml(
    content: bytes | str, source: str = "the description", *, directory: Path | None = None
) -> LoadedDescription:
    """The same as `load`, of YAML."""
    from kotta.yaml_text import YamlError, parse

    text = _text(content, source)
    try:
        found = parse(text)
    except YamlError as error:
        refuse(f"{source} is not YAML", [error.problem], source, text)
    if found.value is None:
        refuse(f"{source} holds no description", [], source, "")
    loaded = _loaded(found.value, source, text, directory)
    loaded.places = found.places
    if problems := _shape_problems(loaded) + found.problems:
        raise loaded.refusal(problems)
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
        raise loaded.refusal(head.problems)
    return loaded


def _loaded(value: Any, source: str, text: str, directory: Path | None) -> LoadedDescription:
    is_list = isinstance(value, list)
    documents = value if is_list else [value]
    return LoadedDescription(source, text, documents, is_list, directory or Path())


def _looks_like_json(content: bytes) -> bool:
    return content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b"")


def _is_script(content: bytes) -> bool:
    from kotta.script_head import has_head

    start = content.removeprefix(b"\xef\xbb\xbf")
    return start.startswith(b"#!") or has_head(start[:MAX_BYTES].decode("utf-8", "replace"))


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
