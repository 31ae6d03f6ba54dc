"""What runners say, checked: reports and exit records as docs/runner.md describes them."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain, count
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from kotta.models.signed import MAX_PARTS, ETag, SignedUpload, UploadId

# a moment is one that calendars have
_Seconds = Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, lt=1 << 63)]


def _keepable(text: object) -> object:
    """Text as every database takes it: what it cannot hold is written as Python would write it."""
    if not isinstance(text, str):
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _words(most: int) -> BeforeValidator:
    """What a function raises may hold anything: how its job ended has to be known all the same."""

    def bounded(text: object) -> object:
        text = _keepable(text)
        return text[:most] if isinstance(text, str) else text

    return BeforeValidator(bounded)


_FileName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/\x00]+$")]
_Phase = Literal["staging_inputs", "processing", "staging_outputs", "ended"]


class _Message(BaseModel):
    # a runner may be newer than the service that hears it
    model_config = ConfigDict(extra="ignore", frozen=True)


def result_files(declared: Collection[str]) -> list[str]:
    """What a large result of a function's call is kept as, beside the outputs that were declared.

    The runner finds the name by the same rule: the first that is free.
    """
    return [_result_file(suffix, declared) for suffix in (".json", ".pkl", ".buffers")]


def _result_file(suffix: str, declared: Collection[str]) -> str:
    numbered = (f"RESULT-{number}{suffix}" for number in count(2))
    return next(name for name in chain([f"RESULT{suffix}"], numbered) if name not in declared)


def _no_folder(name: str) -> str:
    if name in (".", ".."):
        raise ValueError("is a folder, not a file name")
    return name


class RecordedOutput(_Message):
    """One declared output, as its runner left it in the storage."""

    name: Annotated[_FileName, AfterValidator(_no_folder)]
    available: bool
    size_bytes: _Count | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


def _of_one_name_each(outputs: list[RecordedOutput]) -> list[RecordedOutput]:
    """The first of each name: it is what the job declared, in whose place nothing is shown."""
    first: dict[str, RecordedOutput] = {}
    for output in outputs:
        first.setdefault(output.name, output)
    return list(first.values())


class RecordedError(_Message):
    """Why a function's call has no result."""

    kind: Annotated[str, Field(max_length=64)]
    type: Annotated[str, _words(1024)]
    message: Annotated[str, _words(65_536)]
    traceback: Annotated[str, _words(1 << 20)] = ""
    exception: Annotated[str, Field(max_length=1 << 20)] | None = None


class RecordedResult(_Message):
    """What a function's call returned, or where it lies."""

    format: Literal["json", "pickle", "buffers", "error", "unreadable"]
    size_bytes: _Count = 0
    sha256: Annotated[str, Field(max_length=64)] = ""
    data: Annotated[str, Field(max_length=1 << 20)] | None = None
    file: _FileName | None = None
    error: RecordedError | None = None


_UNREADABLE_WORDS = "its value cannot be read: what its runner says of it is not understood"
_UNREADABLE = RecordedResult(
    format="unreadable",  # which no client, however old, takes for a value, or for None
    error=RecordedError(kind="unreadable_result", type="ValueError", message=_UNREADABLE_WORDS),
)


def _or_unreadable(result: object, validate: ValidatorFunctionWrapHandler) -> RecordedResult | None:
    """What a call returned harms nothing else that its record says."""
    try:
        found: RecordedResult | None = validate(result)
    except ValidationError:
        return _UNREADABLE
    return found


class ExitRecord(_Message):
    """How an attempt ended, in its runner's words; the last word on it."""

    job_id: str
    attempt: int
    status: Literal["completed", "failed", "cancelled"]
    # no runner says `lost`: it is what an executor makes of a record that leaves open why
    reason: Literal["exit", "walltime", "memory", "limit", "staging", "user", "lost"]
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None
    signal: Annotated[int, Field(ge=1, le=64)] | None = None
    error: Annotated[str, _words(65_536)] = ""
    timeline: dict[str, _Seconds]
    staging_inputs_seconds: _Seconds | None = None
    processing_seconds: _Seconds | None = None
    staging_outputs_seconds: _Seconds | None = None
    cpu_seconds: _Seconds | None = None
    peak_memory_bytes: _Count | None = None
    result: Annotated[RecordedResult | None, WrapValidator(_or_unreadable)] = None
    outputs: Annotated[
        list[RecordedOutput], Field(max_length=20_000), AfterValidator(_of_one_name_each)
    ]

    @property
    def words(self) -> str:
        """Why it ended so, or that what it returned cannot be read."""
        return self.error or (_UNREADABLE_WORDS if self.result == _UNREADABLE else "")


class RunnerPhase(_Message):
    """Where an attempt is, as its runner leaves it in its directory."""

    phase: _Phase
    timeline: dict[str, _Seconds] = Field(default_factory=dict)


class RunnerReport(_Message):
    """That an attempt entered a phase, or ended."""

    job_id: Annotated[str, Field(max_length=36)]
    attempt: int
    phase: _Phase
    timeline: dict[str, _Seconds] = Field(default_factory=dict)
    record: ExitRecord | None = None

    @model_validator(mode="after")
    def _of_itself(self) -> RunnerReport:
        record = self.record
        if record is not None and (record.job_id, record.attempt) != (self.job_id, self.attempt):
            raise ValueError("its record is of another attempt")
        return self


class RunnerInputs(_Message):
    """Which inputs of its job, by their URLs, a runner is about to read."""

    job_id: Annotated[str, Field(max_length=36)]
    attempt: int
    inputs: Annotated[list[str], Field(max_length=20_000)]


class RunnerFile(_Message):
    """An output that a runner is about to send; the same as in `UploadStart` of a client."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    size_bytes: _Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    upload_id: UploadId = ""
    first_part: Annotated[int, Field(ge=1, le=MAX_PARTS)] = 1


class RunnerUploads(_Message):
    """Several of them, of one attempt."""

    job_id: Annotated[str, Field(max_length=36)]
    attempt: int
    files: Annotated[list[RunnerFile], Field(max_length=1000)]


class RunnerSent(RunnerFile):
    """One whose parts have all been sent, with what S3 said of each."""

    job_id: Annotated[str, Field(max_length=36)]
    attempt: int
    parts: Annotated[list[ETag], Field(max_length=MAX_PARTS)]


class SignedUploads(BaseModel):
    """Where a runner sends its files, in the order it asked."""

    uploads: list[SignedUpload]


class RunnerAnswer(BaseModel):
    """What a runner is told in return."""

    cancel: bool
