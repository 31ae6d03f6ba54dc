"""Names what it is that cannot be pickled: the innermost part of a call, its type and its size."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cloudpickle

from kotta.errors import UnpicklableError


def unpicklable_error(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> UnpicklableError:
    """The error that names the innermost part of the call that cannot be pickled."""
    named = [(f"argument {index}", arg) for index, arg in enumerate(args, 1)]
    named += [(f"argument `{name}`", arg) for name, arg in kwargs.items()]
    found = None
    for path, value in [*named, *_used_by(function, "the function's ")]:
        if not _pickles(value):
            found = _innermost(path, value)
            break
    path, value = found or ("the function", function)
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return UnpicklableError(
        f"{path} is a {kind} of {_size(value)}, which cannot be pickled",
        hint="make it inside the function, or give what it is made from",
    )


def _innermost(path: str, value: Any, depth: int = 0) -> tuple[str, Any]:
    parts: Iterator[tuple[str, Any]] = iter(())
    if isinstance(value, Mapping):
        parts = ((f"{path}[{key!r}]", item) for key, item in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = ((f"{path}[{index}]", item) for index, item in enumerate(value))
    elif inspect.isfunction(value):
        parts = iter(_used_by(value, f"{path}'s "))
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        parts = ((f"{path}.{name}", item) for name, item in vars(value).items())
    if depth < 10:
        for name, part in parts:
            if not _pickles(part):
                return _innermost(name, part, depth + 1)
    return path, value


def _used_by(function: Any, owner: str) -> list[tuple[str, Any]]:
    """What a function takes along: variables of its closure, and globals that it names."""
    try:
        used = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return []
    return [
        (f"{owner}`{name}`", value) for name, value in {**used.globals, **used.nonlocals}.items()
    ]


def _pickles(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:
        return False
    return True


def _size(value: Any) -> str:
    size: float = sys.getsizeof(value, 0)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
