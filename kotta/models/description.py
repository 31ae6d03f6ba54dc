"""What a person writes to describe a job: the first client's JSON and what was added to it."""

from __future__ import annotations

import base64
import difflib
import re
import shlex
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MAX_COMMAND_BYTES = 120_000
"""Bytes of `executable` with `args`. Source: execve(2), one argument holds at most 128 KiB."""
MAX_SCRIPT_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 20
MAX_REQUIREMENTS_BYTES = 64 << 10
MAX_NAME_BYTES = 255
"""Source: NAME_MAX of every common Linux file system."""
MAX_WALLTIME_MINUTES = 366 * 24 * 60
MAX_LIST_ENTRIES = 10_000

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


def known_field_near(name: str) -> str | None:
    """The field of a description whose name is nearest to `name`, None if none is near."""
    near = difflib.get_close_matches(name.lower(), DESCRIPTION_FIELDS, n=1, cutoff=0.6)
    return near[0] if near else None


def _visible(text: str) -> str:
    shown = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
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


def _line(value: Any) -> str:
    text = _text(value)
    if _CONTROL.search(text):
        raise ValueError(f"`{_visible(text)}` contains a control character")
    if len(text) > 256:
        raise ValueError("is longer than 256 characters")
    return text


def _command(value: Any) -> str:
    text = _text(value)
    if "\0" in text:
        raise ValueError("contains a NUL character")
    if len(text.encode()) > MAX_COMMAND_BYTES:
        raise ValueError(f"is longer than {MAX_COMMAND_BYTES} bytes; put it in `script`")
    return text


def _args(value: Any) -> str:
    if isinstance(value, list):
        return shlex.join(str(_command(item)) for item in value)
    return _command(value)


def _script(value: Any) -> str:
    text = _text(value)
    if "\0" in text:
        raise ValueError("contains a NUL character")
    if len(text.encode()) > MAX_SCRIPT_BYTES:
        raise ValueError("is longer than 1 MiB; send what is long as an input file")
    return text


def _requirements(value: Any) -> str:
    text = _text(value)
    if "\0" in text or len(text.encode()) > MAX_REQUIREMENTS_BYTES:
        raise ValueError("must be the text of a requirements file, 64 KiB at most")
    # the same requirements in another spelling are the same environment
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [item.strip() for item in _text(value).split(",") if item.strip()]
    if not isinstance(value, list):
        raise ValueError(f"must be a list or comma-separated text, not {_kind(value)}")
    if len(value) > MAX_LIST_ENTRIES:
        raise ValueError(f"has more than {MAX_LIST_ENTRIES} entries")
    return [_text(item).strip() for item in value]


def _inputs(value: Any) -> list[str]:
    inputs = _listed(value)
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


def _outputs(value: Any) -> list[str]:
    return list(dict.fromkeys(check_file_name(item) for item in _listed(value)))


def _optional_file_name(value: Any) -> str:
    return "" if value == "" else check_file_name(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"must be a number, not {_kind(value)}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"must be a number, not `{_visible(str(value))}`") from None


def _walltime(value: Any) -> float:
    minutes = _number(value)
    if not 0 < minutes <= MAX_WALLTIME_MINUTES:
        raise ValueError(f"must be minutes, more than 0 and at most {MAX_WALLTIME_MINUTES}")
    return minutes


def _whole(low: int, high: int) -> BeforeValidator:
    def check(value: Any) -> int:
        number = _number(value)
        if number != number // 1 or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(number)

    return BeforeValidator(check)


def _memory(value: Any) -> int | None:
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


def _env(value: Any) -> dict[str, str]:
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
        env[name] = _command(str(item))
    return env


def _array(value: Any) -> list[dict[str, str]]:
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
        found[name] = _command(str(item))
    return found


def _jobtype(value: Any) -> str:
    if value not in ("script", "python"):
        raise ValueError("must be `script` or `python`")
    return str(value)


def _python_version(value: Any) -> str:
    if not isinstance(value, str) or not _PYTHON_VERSION.match(value):
        raise ValueError("must be a minor version of Python, such as `3.11`")
    return value


def _payload(value: Any) -> str:
    text = _text(value)
    try:
        size = len(base64.b64decode(text, validate=True))
    except ValueError:
        raise ValueError("is not base64") from None
    if size > MAX_PAYLOAD_BYTES:
        raise ValueError("is longer than 1 MiB; upload it and name it in `payload_input`")
    return text


_Line = Annotated[str, BeforeValidator(_line)]


class FunctionCall(BaseModel):
    """A call of a Python function; see docs/functions.md.

    Attributes:
        name: the function's name, for people.
        python: minor version of the Python that made the payload, such as `3.11`.
        payload: base64 of a cloudpickle of (function, args, kwargs); "" if it is an input.
        payload_input: name of the input file that holds it; "" if it is in `payload`.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True, frozen=True)

    name: _Line
    python: Annotated[str, BeforeValidator(_python_version)]
    payload: Annotated[str, BeforeValidator(_payload)] = ""
    payload_input: Annotated[str, BeforeValidator(_optional_file_name)] = ""


class JobDescription(BaseModel):
    """What to run, with what, where, and what to keep.

    Attributes:
        executable: shell command line, run by `/bin/sh -c` in the job's working directory. Left
            out, the script itself is run.
        args: appended to the command line; a list is quoted word by word.
        jobname: what a person calls it; by default the script's name or the command's first word.
        queue: which queue it waits in.
        script: text of a script to be written, executable, with CRLF made LF.
        script_name: name of that script's file.
        inputs: URLs (`http`, `https`, `s3`, `kotta`); a client also takes local paths and uploads
            them. Each lands under the last component of its path.
        outputs: names of files to keep. The script, stdout and stderr are kept as well.
        walltime: longest time the command may run, minutes.
        env: more environment variables for the command.
        cpus: cores to count against the queue.
        memory: memory to count against the queue; read as MiB, `"4 GiB"` is understood. None: a
            core's share of the queue, at most 1 GiB, for each core.
        tags: words to find it by.
        retries: how often it is started again after an infrastructure failure (`reason` is
            `lost`); a command that fails is never repeated.
        after: ids of jobs that must complete before it starts; if one does not, this one is
            cancelled.
        array: one job for each entry, an object of names and values; `{name}` in `executable`,
            `args`, `jobname`, `inputs` and `outputs` becomes the value. See `kotta.models.array`.
        jobtype: `script`, or `python` for a function's call.
        function: with `python`, the call.
        requirements: text of a requirements file; the job runs in an environment with just that.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True, frozen=True)

    user_email: _Line = ""
    executable: Annotated[str, BeforeValidator(_command)] = ""
    args: Annotated[str, BeforeValidator(_args)] = ""
    jobname: _Line = ""
    queue: _Line = "Test"
    script_name: Annotated[str, BeforeValidator(_optional_file_name)] = ""
    script: Annotated[str, BeforeValidator(_script)] = ""
    jobtype: Annotated[str, BeforeValidator(_jobtype)] = "script"
    function: FunctionCall | None = None
    requirements: Annotated[str, BeforeValidator(_requirements)] = ""
    inputs: Annotated[list[str], BeforeValidator(_inputs)] = Field(default_factory=list)
    outputs: Annotated[list[str], BeforeValidator(_outputs)] = Field(default_factory=list)
    output_file_stdout: Annotated[str, BeforeValidator(check_file_name)] = "STDOUT.txt"
    output_file_stderr: Annotated[str, BeforeValidator(check_file_name)] = "STDERR.txt"
    walltime: Annotated[float, BeforeValidator(_walltime)] = 300
    env: Annotated[dict[str, str], BeforeValidator(_env)] = Field(default_factory=dict)
    cpus: Annotated[int, _whole(1, 4096)] = 1
    memory: Annotated[int | None, BeforeValidator(_memory)] = None
    tags: Annotated[list[_Line], BeforeValidator(_listed)] = Field(default_factory=list)
    retries: Annotated[int, _whole(0, 100)] = 0
    after: Annotated[list[_Line], BeforeValidator(_listed)] = Field(default_factory=list)
    array: Annotated[list[dict[str, str]], BeforeValidator(_array)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_runnable(self) -> JobDescription:
        if self.jobtype == "python" or self.function is not None:
            self._check_function()
            return self
        if not self.executable.strip() and not self.script:
            raise ValueError("has neither `executable` nor `script`: there is nothing to run")
        if self.script and not self.script_name:
            raise ValueError("has a `script` but no `script_name` to write it to")
        streams = {self.output_file_stdout, self.output_file_stderr}
        if self.script_name in streams:
            raise ValueError(f"calls both the script and an output stream `{self.script_name}`")
        if self.script_name and self.script_name in map(input_name, self.inputs):
            raise ValueError(f"calls both the script and an input `{self.script_name}`")
        return self

    def _check_function(self) -> None:
        if self.jobtype != "python" or self.function is None:
            raise ValueError("needs both `jobtype: python` and `function` to be a function's call")
        if self.array:
            raise ValueError("calls a function, which has `map` for what `array` does")
        if self.executable or self.args or self.script:
            raise ValueError("calls a function, so `executable`, `args` and `script` have no use")
        if bool(self.function.payload) == bool(self.function.payload_input):
            raise ValueError("needs one of `payload` and `payload_input` in its `function`")
        inputs = [input_name(item) for item in self.inputs]
        if self.function.payload_input not in ("", *inputs):
            raise ValueError("names a `payload_input` that is none of its `inputs`")

    @property
    def command_line(self) -> str:
        """What is handed to the shell."""
        line = self.executable.strip() or shlex.quote(f"./{self.script_name}")
        return f"{line} {self.args}" if self.args else line

    @property
    def display_name(self) -> str:
        """`jobname`, or what stands for it where none was given."""
        if self.function is not None and not self.jobname:
            return self.function.name
        words = self.executable.split()
        return self.jobname or self.script_name or (words[0].rpartition("/")[2] or words[0])[:256]

    @property
    def declared_outputs(self) -> list[str]:
        """Every file name that the job may leave behind, in the order people are shown."""
        names = [
            *self.outputs,
            self.script_name,
            self.output_file_stdout,
            self.output_file_stderr,
        ]
        return [name for name in dict.fromkeys(names) if name]


DESCRIPTION_FIELDS = tuple(JobDescription.model_fields)
