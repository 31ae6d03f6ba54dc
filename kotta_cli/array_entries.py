"""The entries of a job array, as `--array` and `--sweep` give them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kotta.errors import DescriptionError, FieldProblem
from kotta_cli.parameters import UsageProblem

if TYPE_CHECKING:
    from kotta.models import JobDescription

MAX_ENTRIES = 10_000
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
_HINT = "--sweep lr=0.1,0.2 or n=1..9"


def read_entries(content: bytes, source: str) -> list[Any]:
    """One entry a line: a JSON object, or a plain value, which is called `value`.

    Raises:
        DescriptionError: a line begins as JSON and is none, or there is no line at all.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DescriptionError(
            f"{source} is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}"
        ) from error
    entries: list[Any] = []
    for number, line in enumerate(text.split("\n"), 1):
        word = line.strip()
        if not word:
            continue
        if not word.startswith(("{", '"')):
            entries.append(word)
            continue
        try:
            entries.append(json.loads(word))
        except (ValueError, RecursionError) as error:
            column = line.index(word) + getattr(error, "colno", 1)
            words = str(getattr(error, "msg", "is nested too deeply"))
            problem = FieldProblem("", words[:1].lower() + words[1:], "", number, column)
            raise DescriptionError(
                f"{source} is not one JSON object a line",
                problems=(problem,),
                source=source,
                text=text.replace("\r", ""),
            ) from None
    if not entries:
        raise DescriptionError(
            f"{source} holds no entries", hint="one JSON object a line, or one value a line"
        )
    return entries


def multiplied(entries: Sequence[Any], sweeps: Sequence[str]) -> list[Any]:
    """Each entry with each of the combinations that sweeps make.

    A name that an entry has too is the sweep's; entries that become the same by it are one.

    Raises:
        UsageProblem: a sweep cannot be understood, or there are too many.
    """
    axes = dict(_sweep(word) for word in sweeps)
    if len(axes) < len(sweeps):
        raise UsageProblem("two `--sweep` have the same name", hint="give its values in one")
    count = len(entries)
    for values in axes.values():
        count *= len(values)
    if count > MAX_ENTRIES:
        raise UsageProblem(
            f"that makes {count} jobs, and an array has {MAX_ENTRIES} at most",
            hint="submit it in parts",
        )
    if not axes:
        return list(entries)
    plain = [entry if isinstance(entry, dict) else {"value": entry} for entry in entries]
    if any(name in entry for entry in plain for name in axes):
        kept = [{name: v for name, v in entry.items() if name not in axes} for entry in plain]
        plain = [entry for index, entry in enumerate(kept) if entry not in kept[:index]]
    return [
        {**entry, **dict(zip(axes, values, strict=True))}
        for entry in plain
        for values in itertools.product(*axes.values())
    ]


def left_literal(description: JobDescription) -> list[str]:
    """A remark on each `{name}` of an array's command, names and files that no entry has."""
    import difflib

    from kotta.models.array import LISTS, TEXTS, places

    if not description.array:
        return []
    known = {name for entry in description.array for name in entry}
    texts = [getattr(description, field) for field in TEXTS]
    texts += [item for field in LISTS for item in getattr(description, field)]
    remarks = {}
    for name in (name for text in texts for name in places(text) if name not in known):
        near = difflib.get_close_matches(name, known, n=1)
        remarks[name] = f"`{{{name}}}` stays as it is: the array has no such name" + (
            f"; did you mean `{{{near[0]}}}`?" if near else ""
        )
    return list(remarks.values())


def _sweep(word: str) -> tuple[str, list[str]]:
    name, equals, text = word.partition("=")
    if not equals or not _NAME.match(name):
        raise UsageProblem(f"`--sweep {word}` has no name", hint=_HINT)
    values = _numbers(word, text) or [value.strip() for value in text.split(",")]
    if "" in values:
        raise UsageProblem(f"`--sweep {word}` has an empty value", hint=_HINT)
    return name, values


def _numbers(word: str, text: str) -> list[str] | None:
    first, dots, last = text.partition("..")
    try:
        low, high = int(first), int(last)
    except ValueError:
        return None
    if not dots:
        return None
    if low > high or high - low >= MAX_ENTRIES:
        raise UsageProblem(
            f"`--sweep {word}` must count upwards, and to {MAX_ENTRIES} numbers at most",
            hint=_HINT,
        )
    return [str(number) for number in range(low, high + 1)]
