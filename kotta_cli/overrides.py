"""What the options of `kotta submit` and `rerun` say of a description, over what a file says."""

from __future__ import annotations

import difflib
import json
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kotta.description import Origin, is_local
from kotta.errors import DescriptionError
from kotta_cli.array_entries import multiplied, read_entries
from kotta_cli.parameters import UsageProblem

if TYPE_CHECKING:
    from kotta_cli.description_options import DescriptionOptions

MAX_SHOWN = 40
_SINGLE = {
    "jobname": "name",
    "queue": "queue",
    "walltime": "walltime",
    "cpus": "cpus",
    "gpus": "gpus",
    "memory": "memory",
    "retries": "retries",
}
"""Field of a description → attribute of the options, which is also the option's name."""
_NO_TEXTS = ("inputs", "outputs", "tags", "after", "walltime", "env", "cpus", "gpus",
             "memory", "retries", "array", "function")  # fmt: skip
"""Fields whose value by `--set` is JSON where it can be; all others hold text."""


class Overrides:
    """Changes descriptions as the options say.

    Args:
        read_stdin: for `--array -`.

    Attributes:
        entries: those that `--array` gives, None without it.
    """

    def __init__(self, options: DescriptionOptions, read_stdin: Callable[[], bytes]) -> None:
        self._options = options
        self._sets = [_set(word) for word in options.sets or ()]
        self._env = _pairs(options.env or ())
        self.entries: list[Any] | None = None
        if options.array == "-":
            self.entries = read_entries(read_stdin(), "standard input")
        elif options.array is not None:
            self.entries = read_entries(bytes_of(options.array), options.array)

    @property
    def array_names(self) -> set[str]:
        """The names that entries get by `--array` and `--sweep`."""
        plain = [each if isinstance(each, dict) else {"value": each} for each in self.entries or ()]
        swept = {word.partition("=")[0] for word in self._options.sweeps or ()}
        return swept.union(*plain)

    @property
    def replaced(self) -> set[str]:
        """The fields of which nothing is left."""
        command = {"executable", "args"} if self._options.command else set()
        name = {"jobname"} if self._options.name is not None else set()
        return command | name | {field for _, field, _ in self._sets}

    def apply(self, document: dict[str, Any]) -> dict[str, Origin]:
        """Changes one; the result names the fields that were set, and the options that did it.

        Raises:
            UsageProblem: an option cannot be understood.
            DescriptionError: a file cannot be read.
        """
        options = self._options
        origins = {}
        for field, attribute in _SINGLE.items():
            value = getattr(options, attribute)
            if value is not None:
                document[field] = value
                origins[field] = Origin(_option(f"--{attribute}", value))
        if options.command:
            document["executable"] = shlex.join(options.command)
            origins["executable"] = Origin("-- COMMAND")
            # they belonged to the command that this one replaces
            document.pop("args", None)
        if options.requirements is not None:
            document["requirements"] = text_of(options.requirements)
            origins["requirements"] = Origin(_option("--requirements", options.requirements))
        for field, name, more in (
            ("inputs", "--input", [_from_here(item) for item in options.inputs or ()]),
            ("outputs", "--output", list(options.outputs or ())),
            ("tags", "--tag", list(options.tags or ())),
            ("after", "--after", list(options.after or ())),
        ):
            if more:
                known = _listed(document.get(field))
                document[field] = [*known, *more]
                origins[field] = Origin(name, first=len(known))
        if self._env:
            known_env = document.get("env")
            document["env"] = {**(known_env if isinstance(known_env, dict) else {}), **self._env}
            origins["env"] = Origin("--env")
        if self.entries is not None or options.sweeps:
            origins["array"] = self._apply_array(document)
        for word, field, value in self._sets:
            document[field] = value
            origins[field] = Origin(_option("--set", word))
        return origins

    def _apply_array(self, document: dict[str, Any]) -> Origin:
        entries = self.entries
        if entries is None:
            known = document.get("array")
            entries = known if isinstance(known, list) and known else [{}]
        document["array"] = multiplied(entries, self._options.sweeps or ())
        if self._options.sweeps:
            return Origin("--sweep")
        return Origin(_option("--array", self._options.array or ""))


def bytes_of(path: str) -> bytes:
    """A file's content.

    Raises:
        DescriptionError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DescriptionError(f"cannot read {path}: {error.strerror}") from error


def text_of(path: str) -> str:
    """A small text file's content.

    Raises:
        DescriptionError: it cannot be read, or is no text.
    """
    try:
        return bytes_of(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DescriptionError(
            f"{path} is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}",
            hint="name it in `inputs`, and run it by `executable`",
        ) from error


def _option(name: str, value: str) -> str:
    shown = value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]}..."
    return f"{name} {shown}"


def _from_here(item: str) -> str:
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


def _set(word: str) -> tuple[str, str, Any]:
    from kotta.models import DESCRIPTION_FIELDS

    name, equals, text = word.partition("=")
    if not equals:
        raise UsageProblem(f"`--set {word}` has no value", hint="--set walltime=10")
    if name not in DESCRIPTION_FIELDS:
        near = difflib.get_close_matches(name, DESCRIPTION_FIELDS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "docs/description.md lists them"
        raise UsageProblem(f"`--set {word}`: a job has no field `{name}`", hint=hint)
    value: Any = text
    if name in _NO_TEXTS:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
    if name == "inputs":
        value = [
            _from_here(item) if isinstance(item, str) else item for item in _listed(value)
        ] or value
    return word, name, value
