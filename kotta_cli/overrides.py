"""What options of `kotta submit` and `rerun` say of a description, over what a file says."""

from __future__ import annotations

import difflib
import itertools
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kotta.errors import DescriptionError
from kotta_cli.parameters import UsageProblem

MAX_SWEEP = 10_000


@dataclass
class Overrides:
    """Options, as they were given.

    Attributes:
        fields: single values, by the name of their field; None where not given.
        inputs: added to those of the description; local paths are relative to where one is.
        sets: `FIELD=VALUE`, which come last.
        sweeps: `NAME=V1,V2`, multiplied with each other.
        array: file with one entry a line.
        command: words of a command line.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    tags: Sequence[str] = ()
    after: Sequence[str] = ()
    env: Sequence[str] = ()
    sets: Sequence[str] = ()
    sweeps: Sequence[str] = ()
    array: Path | None = None
    requirements: Path | None = None
    command: Sequence[str] = ()

    def apply(self, document: dict[str, Any]) -> set[str]:
        """Changes a description; the result names the fields that were set.

        Raises:
            UsageProblem: an option cannot be understood.
            DescriptionError: a file cannot be read.
        """
        given = {name: value for name, value in self.fields.items() if value is not None}
        if self.command:
            given["executable"] = shlex.join(self.command)
        if self.requirements is not None:
            given["requirements"] = text_of(self.requirements)
        for name, more in (
            ("inputs", [_from_here(item) for item in self.inputs]),
            ("outputs", list(self.outputs)),
            ("tags", list(self.tags)),
            ("after", list(self.after)),
        ):
            if more:
                given[name] = [*_listed(document.get(name)), *more]
        if self.env:
            known = document.get("env")
            given["env"] = {**(known if isinstance(known, dict) else {}), **_pairs(self.env)}
        if self.sweeps or self.array is not None:
            given["array"] = self._entries()
        for word in self.sets:
            name, value = _set(word)
            given[name] = value
        document.update(given)
        return set(given)

    def _entries(self) -> list[Any]:
        entries = _lines_of(self.array) if self.array is not None else [{}]
        axes = [_sweep(word) for word in self.sweeps]
        count = len(entries)
        for _, values in axes:
            count *= len(values)
        if count > MAX_SWEEP:
            raise UsageProblem(
                f"that makes {count} jobs, and an array has {MAX_SWEEP} at most",
                hint="submit it in parts",
            )
        return [
            {
                **(entry if isinstance(entry, dict) else {"value": entry}),
                **dict(zip((name for name, _ in axes), values, strict=True)),
            }
            for entry in entries
            for values in itertools.product(*(values for _, values in axes))
        ]


def text_of(path: Path) -> str:
    """A small text file's content.

    Raises:
        DescriptionError: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DescriptionError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DescriptionError(
            f"{path} is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}",
            hint="name it in `inputs`, and run it by `executable`",
        ) from error


def _from_here(item: str) -> str:
    from kotta.description import is_local

    # a description's own paths are relative to its file; these to where one types
    return os.path.abspath(os.path.expanduser(item)) if is_local(item) else item


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return list(value) if isinstance(value, list) else []


def _pairs(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            # as docker does: the value that it has here
            if name not in os.environ:
                raise UsageProblem(
                    f"`--env {name}`: it is not set here", hint=f"--env {name}=VALUE"
                )
            value = os.environ[name]
        found[name] = value
    return found


def _set(word: str) -> tuple[str, Any]:
    from kotta.models import DESCRIPTION_FIELDS

    name, equals, text = word.partition("=")
    if not equals:
        raise UsageProblem(f"`--set {word}` has no value", hint="--set walltime=10")
    if name not in DESCRIPTION_FIELDS:
        near = difflib.get_close_matches(name, DESCRIPTION_FIELDS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "docs/description.md lists them"
        raise UsageProblem(f"`--set {word}`: a job has no field `{name}`", hint=hint)
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def _sweep(word: str) -> tuple[str, list[str]]:
    name, equals, text = word.partition("=")
    values = [value.strip() for value in text.split(",")]
    if len(values) == 1 and (numbers := _numbers(text)) is not None:
        values = numbers
    if not equals or not name or "" in values:
        raise UsageProblem(f"`--sweep {word}` names no values", hint="--sweep lr=0.1,0.2 or n=1..9")
    return name, values


def _numbers(text: str) -> list[str] | None:
    first, dots, last = text.partition("..")
    try:
        low, high = int(first), int(last)
    except ValueError:
        return None
    if not dots or not low <= high < low + MAX_SWEEP:
        return None
    return [str(number) for number in range(low, high + 1)]


def _lines_of(path: Path) -> list[Any]:
    """The entries of an array: JSON, or plain text, a line each."""
    entries: list[Any] = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        if not text.startswith(("{", '"')):
            entries.append(text)
            continue
        try:
            entries.append(json.loads(text))
        except ValueError as error:
            raise DescriptionError(f"{path}:{number}: is not JSON: {error}") from None
    if not entries:
        raise DescriptionError(f"{path} holds no entries", hint="one JSON object a line")
    return entries
