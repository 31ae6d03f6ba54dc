"""What the fields of a description may be.

Each function gives a field's value in the form in which it is kept, or raises `ValueError` with
words that follow the field's name.
"""

from __future__ import annotations

import base64
import re
import shlex
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator

MAX_COMMAND_BYTES = 120_000
"""Bytes of `executable` with `args`. Source: execve(2), one argument holds at most 128 KiB."""
MAX_SCRIPT_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 20
MAX_REQUIREMENTS_BYTES = 64 << 10
MAX_NAME_BYTES = 255
"""Source: NAME_MAX of every common Linux file system."""
MAX_WALLTIME_MINUTES = 366 * 24 * 60
MAX_LIST_ENTRIES = 10_000
MAX_LABEL_CHARACTERS = 256
"""Of a name, a tag or a queue."""
CALL_FILE = re.compile(r"^\.kotta-[0-9a-f]{32}\.pkl$")
"""What a large part of a function's call is named: hidden, so that a function that lists its folder
sees its own files."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MEMORY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b?)\s*$", re.IGNORECASE)
_MEMORY_MIB = {"k": 1 / 1024, "": 1, "m": 1, "g": 1024, "t": 1024 * 1024}
_PYTHON_VERSION = re.compile(r"^3\.\d{1,3}$")
_ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_PARAMETER_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")


def input_name(url: str) -> str:
    """The file name under which an input lands in the job's working directory.

    That is the last component of its URL's (or path's) path, percent-decoded.
    """
    parts = urlsplit(url)
    path = unquote(parts.path) if parts.scheme else url
    return path.rstrip("/").rpartition("/")[2]


def check_file_name(value: Any) -> str:
    """`value`, if it can name a file in a job's working directory.

    Raises:
        ValueError: it is no text, is empty or too long, is `.` or `..`, or contains `/`, NUL or
            another control character.
    """
    text = _text(value)
    shown = f"`{_visible(text)}`"
    if not text.strip():
        raise ValueError("is empty; name a file")
    if _CONTROL.search(text):
        raise ValueError(f"{shown} contains a control character")
    if "/" in text:
        raise ValueError(f"{shown} contains `/`; files lie directly in the job's folder")
    if text in (".", ".."):
        raise ValueError(f"{shown} is a folder, not a file name")
    if len(text.encode()) > MAX_NAME_BYTES:
        raise ValueError(f"is longer than {MAX_NAME_BYTES} bytes")
    return text


def _visible(text: str) -> str:
    whole = text.encode("utf-8", "backslashreplace").decode()  # without halves of surrogate pairs
    shown = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", whole)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half of a surrogate pair, which is no character") from None
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return {"str": "text", "list": "a list", "dict": "an object"}.get(
        type(value).__name__, type(value).__name__
    )


def line(value: Any) -> str:
    text = _text(value)
    if _CONTROL.search(text):
        raise ValueError(f"`{_visible(text)}` contains a control character")
    if len(text) > MAX_LABEL_CHARACTERS:
        raise ValueError(f"is longer than {MAX_LABEL_CHARACTERS} characters")
    return text


def command(value: Any) -> str:
    text = _text(value)
    if "\0" in text:
        raise ValueError("contains a NUL character")
    if len(text.encode()) > MAX_COMMAND_BYTES:
        raise ValueError(f"is longer than {MAX_COMMAND_BYTES} bytes; put it in `script`")
    return text


def args(value: Any) -> str:
    if isinstance(value, list):
        return shlex.join(str(command(item)) for item in value)
    return command(value)


def script(value: Any) -> str:
    text = _text(value)
    if "\0" in text:
        raise ValueError("contains a NUL character")
    if len(text.encode()) > MAX_SCRIPT_BYTES:
        raise ValueError("is longer than 1 MiB; send what is long as an input file")
    return text


def requirements(value: Any) -> str:
    text = _text(value)
    if "\0" in text or len(text.encode()) > MAX_REQUIREMENTS_BYTES:
        raise ValueError("must be the text of a requirements file, 64 KiB at most")
    # the same requirements in another spelling are the same environment
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [item.strip() for item in _text(value).split(",") if item.strip()]
    if not isinstance(value, list):
        raise ValueError(f"must be a list or comma-separated text, not {_kind(value)}")
    if len(value) > MAX_LIST_ENTRIES:
        raise ValueError(f"has more than {MAX_LIST_ENTRIES} entries")
    return [_text(item).strip() for item in value]


def inputs(value: Any) -> list[str]:
    inputs = listed(value)
    names = set()
    for item in inputs:
        if _CONTROL.search(item) or len(item) > 8192:
            raise ValueError(f"`{_visible(item)}` is no URL or path")
        try:
            name = check_file_name(input_name(item))
        except ValueError as error:
            raise ValueError(f"`{_visible(item)}` names no file: {error}") from None
        if name in names:
            raise ValueError(f"two inputs would both be called `{_visible(name)}`")
        names.add(name)
    return inputs


def outputs(value: Any) -> list[str]:
    return list(dict.fromkeys(check_file_name(item) for item in listed(value)))


def optional_file_name(value: Any) -> str:
    return "" if value == "" else check_file_name(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"must be a number, not {_kind(value)}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"must be a number, not `{_visible(str(value))}`") from None


def walltime(value: Any) -> float:
    minutes = _number(value)
    if not 0 < minutes <= MAX_WALLTIME_MINUTES:
        raise ValueError(f"must be minutes, more than 0 and at most {MAX_WALLTIME_MINUTES}")
    return minutes


def whole(low: int, high: int) -> BeforeValidator:
    def check(value: Any) -> int:
        number = _number(value)
        if number != number // 1 or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(number)

    return BeforeValidator(check, json_schema_input_type=float | str)


def memory(value: Any) -> int | None:
    if value is None:
        return None
    match = _MEMORY.match(_visible(str(value))) if isinstance(value, (int, float, str)) else None
    if match is None or isinstance(value, bool):
        raise ValueError("must be an amount such as `512 MiB` or `4 GiB`; a bare number is MiB")
    mib = float(match[1]) * _MEMORY_MIB[match[2].lower()]
    if match[3] and not match[2]:
        mib /= 1024 * 1024
    if not 1 <= mib <= 1 << 30:
        raise ValueError("must be from 1 MiB to 1 PiB")
    return int(mib + 0.5)


def env(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"must be an object of names and values, not {_kind(value)}")
    env = {}
    for name, item in value.items():
        if not _ENV_NAME.match(str(name)) or name.startswith(("KOTTA_", "TURING_")):
            raise ValueError(
                f"`{_visible(str(name))}` cannot be set: names are letters, digits and `_`, "
                "and KOTTA_ and TURING_ are the service's own"
            )
        if isinstance(item, (bool, dict, list)) or item is None:
            raise ValueError(f"`{name}` must be text, not {_kind(item)}")
        env[name] = command(str(item))
    return env


def array(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of values, not {_kind(value)}")
    if len(value) > MAX_LIST_ENTRIES:
        raise ValueError(f"has more than {MAX_LIST_ENTRIES} entries")
    return [_parameters(item if isinstance(item, dict) else {"value": item}) for item in value]


def _parameters(value: dict[Any, Any]) -> dict[str, str]:
    found = {}
    for name, item in value.items():
        if not isinstance(name, str) or not _PARAMETER_NAME.match(name):
            raise ValueError(f"`{_visible(str(name))}` is no name: letters, digits and `_`")
        if isinstance(item, bool):
            item = str(item).lower()
        if not isinstance(item, (str, int, float)):
            raise ValueError(f"`{name}` must be text or a number, not {_kind(item)}")
        found[name] = command(str(item))
    return found


def jobtype(value: Any) -> str:
    if value not in ("script", "python"):
        raise ValueError("must be `script` or `python`")
    return str(value)


def python_version(value: Any) -> str:
    if not isinstance(value, str) or not _PYTHON_VERSION.match(value):
        raise ValueError("must be a minor version of Python, such as `3.11`")
    return value


def payload(value: Any) -> str:
    text = _text(value)
    try:
        size = len(base64.b64decode(text, validate=True))
    except ValueError:
        raise ValueError("is not base64") from None
    if size > MAX_PAYLOAD_BYTES:
        raise ValueError("is longer than 1 MiB; upload it and name it in `payload_input`")
    return text
