"""What a person writes to describe a job: the first client's JSON and what was added to it."""

from __future__ import annotations

import difflib
import shlex
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kotta.models import field_values as values

_Line = Annotated[str, BeforeValidator(values.line)]
# what may be written, beside what it is read as: for the description of the API
_Listed = list[str] | str
_Env = dict[str, str | float]
_Array = list[dict[str, str | float | bool] | str | float | bool]


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
    python: Annotated[str, BeforeValidator(values.python_version)]
    payload: Annotated[str, BeforeValidator(values.payload)] = ""
    payload_input: Annotated[str, BeforeValidator(values.optional_file_name)] = ""


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
        gpus: GPUs to reserve, in a queue that has some.
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
    executable: Annotated[str, BeforeValidator(values.command)] = ""
    args: Annotated[str, BeforeValidator(values.args, json_schema_input_type=str | list[str])] = ""
    jobname: _Line = ""
    queue: _Line = "Test"
    script_name: Annotated[str, BeforeValidator(values.optional_file_name)] = ""
    script: Annotated[str, BeforeValidator(values.script)] = ""
    jobtype: Annotated[
        str, BeforeValidator(values.jobtype, json_schema_input_type=Literal["script", "python"])
    ] = "script"
    function: FunctionCall | None = None
    requirements: Annotated[str, BeforeValidator(values.requirements)] = ""
    inputs: Annotated[list[str], BeforeValidator(values.inputs, json_schema_input_type=_Listed)] = (
        Field(default_factory=list)
    )
    outputs: Annotated[
        list[str], BeforeValidator(values.outputs, json_schema_input_type=_Listed)
    ] = Field(default_factory=list)
    output_file_stdout: Annotated[str, BeforeValidator(values.check_file_name)] = "STDOUT.txt"
    output_file_stderr: Annotated[str, BeforeValidator(values.check_file_name)] = "STDERR.txt"
    walltime: Annotated[
        float, BeforeValidator(values.walltime, json_schema_input_type=float | str)
    ] = 300
    env: Annotated[dict[str, str], BeforeValidator(values.env, json_schema_input_type=_Env)] = (
        Field(default_factory=dict)
    )
    cpus: Annotated[int, values.whole(1, 4096)] = 1
    gpus: Annotated[int, values.whole(0, 1024)] = 0
    memory: Annotated[
        int | None, BeforeValidator(values.memory, json_schema_input_type=float | str | None)
    ] = None
    tags: Annotated[list[_Line], BeforeValidator(values.listed, json_schema_input_type=_Listed)] = (
        Field(default_factory=list)
    )
    retries: Annotated[int, values.whole(0, 100)] = 0
    after: Annotated[
        list[_Line], BeforeValidator(values.listed, json_schema_input_type=_Listed)
    ] = Field(default_factory=list)
    array: Annotated[
        list[dict[str, str]], BeforeValidator(values.array, json_schema_input_type=_Array)
    ] = Field(default_factory=list)

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
        if self.script_name and self.script_name in map(values.input_name, self.inputs):
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
        inputs = [values.input_name(item) for item in self.inputs]
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


def known_field_near(name: str) -> str | None:
    """The field of a description whose name is nearest to `name`, None if none is near."""
    near = difflib.get_close_matches(name.lower(), DESCRIPTION_FIELDS, n=1, cutoff=0.6)
    return near[0] if near else None
