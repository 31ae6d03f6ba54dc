"""What each command prints with `--json`, and the shapes that are the command line's own.

The schemas in `kotta_cli/schemas/` and the reference in `docs/json.md` are made from it by
`python -m kotta_cli.manual`. No command imports it, for the models behind it take long to import;
a test holds what commands print to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

# pydantic reads no other before Python 3.12
from typing_extensions import TypedDict

from kotta.models import CheckedJob, Job, JobDetail, JobState, Queue, ServiceInfo, SharedJob, Usage
from kotta.models.accounts import Invitation, MadeToken, Token, User, WhoAmI


class FetchResult(TypedDict):
    """Where a job's outputs are now.

    Attributes:
        job: the job's id.
        directory: absolute path of the folder.
        fetched: names of the files that came just now.
        already_there: names of the files that were there, and the same.
        unavailable: names of what was asked for and is not available.
    """

    job: str
    directory: str
    fetched: list[str]
    already_there: list[str]
    unavailable: list[str]


class CopiedFile(TypedDict):
    """An output, and the file that it is now.

    Attributes:
        job: the job's id.
        path: absolute path of the file.
    """

    job: str
    name: str
    path: str
    size_bytes: int
    sha256: str


class UploadedFile(TypedDict):
    """A local file, and what the service calls it.

    Attributes:
        file: its path, as it was given.
        url: what to write into a job's `inputs`.
        sent: false if the service had it already.
    """

    file: str
    url: str
    sha256: str
    size_bytes: int
    sent: bool


class FetchedJob(Job):
    """A job with what became of its outputs.

    Attributes:
        fetch: with `--fetch`, where its outputs are now.
    """

    fetch: FetchResult


class CheckedInput(TypedDict):
    """An input, and whether it is there.

    Attributes:
        url: its address, or the path of a local file.
        size_bytes: its size, null where the server does not tell.
        problem: why it cannot be had, "" if it can.
    """

    url: str
    size_bytes: int | None
    problem: str


class Check(TypedDict):
    """With `--check`, what would happen."""

    jobs: list[CheckedJob]
    inputs: list[CheckedInput]


class ArrayStatus(TypedDict):
    """The jobs of an array as one thing.

    Attributes:
        array: its id.
        name: what it is called.
        counts: how many jobs are in each state; states without a job are left out.
        submitted_at: when it was submitted.
        ended_at: when its last job ended, null while one has not.
        jobs: all of them, by their index.
    """

    array: str
    name: str
    counts: dict[str, int]
    submitted_at: datetime
    ended_at: datetime | None
    jobs: list[Job]


class Difference(TypedDict):
    """One thing in which two jobs differ.

    Attributes:
        field: its name, such as `walltime`, `env.SEED` or `outputs.model.bin`.
        first: what the first has, null for nothing; of lists, what the second has not.
        second: what the second has.
    """

    field: str
    first: Any
    second: Any


class Comparison(TypedDict):
    """What two jobs do not have in common.

    Attributes:
        first: id of the first.
        second: id of the second.
        is_same: they were asked for the same, and ended the same.
        described: what they were asked to do.
        ended: how they ended, and what they made.
        measured: seconds and bytes, which are never quite the same.
    """

    first: str
    second: str
    is_same: bool
    described: list[Difference]
    ended: list[Difference]
    measured: list[Difference]


class Sized(TypedDict):
    """One thing that a job asked for and used.

    Attributes:
        suggested: what to ask for next time; null where what was asked for is right.
    """

    used: float
    asked: float
    suggested: int | None


class RightSize(TypedDict):
    """What an ended job used of what it asked for.

    Attributes:
        walltime_minutes: the time its command ran.
        memory_mib: its largest memory, null where that is not known.
        cpus: the cores it kept busy, on average.
        options: options for `kotta rerun` that ask for what is suggested, "" for none.
    """

    walltime_minutes: Sized
    memory_mib: Sized | None
    cpus: Sized
    options: str


class StatedJob(JobDetail):
    """A job with what it used of what it asked for.

    Attributes:
        right_size: null before its end, and where its command was never started.
    """

    right_size: RightSize | None


class Cause(TypedDict):
    """Why a job is where it is.

    Attributes:
        reasons: sentences, the most telling first.
        stderr: the last lines of its standard error.
        stdout: those of its standard output, where it wrote nothing to standard error.
        commands: what to type next, the most useful first.
    """

    id: str
    status: JobState
    reason: str | None
    reasons: list[str]
    stderr: list[str]
    stdout: list[str]
    commands: list[str]


class ServiceState(TypedDict):
    """Whether the local service runs.

    Attributes:
        service: the service itself, null if it does not run.
    """

    running: bool
    service: ServiceInfo | None


class ServiceStopped(TypedDict):
    """What became of the local service.

    Attributes:
        stopped: false if it was not running.
    """

    stopped: bool


class Served(TypedDict):
    """What a service would serve.

    Attributes:
        url: what users type.
        certificate_ends_at: when the TLS certificate expires, null where it speaks no TLS.
        login: the ways to log in: `accounts`, and providers by name.
        queues: how the jobs of each queue are isolated.
    """

    url: str
    host: str
    port: int
    certificate_ends_at: datetime | None
    trusted_proxies: list[str]
    login: list[str]
    data_directory: str
    queues: dict[str, str]


class ServeCheck(TypedDict):
    """What `--check` finds in the settings of a service.

    Attributes:
        problems: what has to be changed before it is served, in sentences.
        warnings: what should be seen to.
        serves: null if there are problems.
    """

    problems: list[str]
    warnings: list[str]
    serves: Served | None


class LoginState(TypedDict):
    """What commands talk to, and whether it wants a login.

    Attributes:
        server: `local`, or an address.
        origin: who chose it: `argument`, `KOTTA_SERVER`, `profile NAME` or `default`.
    """

    login_needed: bool
    server: str
    origin: str


class LoggedIn(TypedDict):
    """A login that was made.

    Attributes:
        server: address of the service.
        user: the user's name there.
        profile: the profile that commands use now.
        kept_in: `keyring` or `file`.
    """

    login_needed: bool
    server: str
    user: str
    profile: str
    kept_in: str


class LoggedOut(TypedDict):
    """What became of a login.

    Attributes:
        server: `local`, or an address.
        logged_out: false if there was none.
    """

    server: str
    logged_out: bool


class Setting(TypedDict):
    """A setting as it counts here.

    Attributes:
        value: text, a number or a list; null where it has none.
        origin: who says so: a variable, a file, or `default`.
    """

    key: str
    value: Any
    origin: str


class SettingsFile(TypedDict):
    """Where settings are written to.

    Attributes:
        path: absolute path of the file, there or not.
    """

    path: str


class CompletionState(TypedDict):
    """Where the completion of a shell is installed, or was.

    Attributes:
        shell: `bash`, `zsh` or `fish`.
        script: path of the script.
        rc_file: path of the shell's start-up file, null where none is needed.
        changed: whether anything had to be done.
    """

    shell: str
    script: str
    rc_file: str | None
    changed: bool


class Finding(TypedDict):
    """What `kotta doctor` found out about one thing.

    Attributes:
        check: what was looked at, such as `disk`; one may have several findings.
        state: `ok`, `note` or `problem`.
        text: what is so; may have several lines.
        advice: what to do about it, or "".
    """

    check: str
    state: str
    text: str
    advice: str


class WrongField(TypedDict):
    """One thing that is wrong with one field of a description.

    Attributes:
        pointer: the field, as a JSON Pointer (RFC 6901).
        detail: what is wrong, in a sentence without the field's name.
        hint: what to write instead, or "".
        line: its line in the text, from 1; null where there is no text.
        column: its column in the text, from 1; null where there is no text.
        source: the text, or the option that said it.
    """

    pointer: str
    detail: str
    hint: str
    line: int | None
    column: int | None
    source: str


class Candidate(TypedDict):
    """A job that fits what was typed."""

    id: str
    name: str
    status: JobState


class Problem(TypedDict):
    """An error, on stderr; the members of an RFC 9457 problem, and ours.

    Attributes:
        type: always `about:blank`; `code` tells the kinds apart.
        title: what kind of error it is, in words that stay the same.
        code: what kind of error it is; stable.
        detail: what is wrong this time.
        hint: what to do or type next, or "".
        request_id: the service's name for the request, null where none was made.
        exit_code: what the command exits with.
        source: name of the description's file, "" where there is none.
        errors: what is wrong with the description, field by field.
        candidates: the jobs that fit, where a name fits several.
    """

    type: str
    title: str
    code: str
    detail: str
    hint: str
    request_id: str | None
    exit_code: int
    source: str
    errors: list[WrongField]
    candidates: list[Candidate]


RESULTS: dict[str, Any] = {
    "submit": Job | list[Job] | FetchedJob | list[FetchedJob] | Check,
    "status": StatedJob | list[StatedJob] | ArrayStatus,
    "list": list[Job],
    "wait": Job | list[Job],
    "usage": Usage,
    "fetch": FetchResult | list[FetchResult],
    "cp": list[CopiedFile],
    "upload": list[UploadedFile],
    "why": Cause | list[Cause],
    "rerun": Job | list[Job] | FetchedJob | list[FetchedJob],
    "diff": Comparison,
    "cancel": Job | list[Job],
    "share": SharedJob | list[SharedJob],
    "queues": list[Queue],
    "service status": ServiceState,
    "service stop": ServiceStopped,
    "login": LoginState | LoggedIn,
    "logout": LoggedOut,
    "whoami": WhoAmI,
    "token list": list[Token],
    "serve": ServeCheck,
    "token create": MadeToken,
    "token revoke": list[Token],
    "admin user add": Invitation,
    "admin user list": list[User],
    "admin user invite": Invitation,
    "admin user disable": User,
    "admin user enable": User,
    "admin user role": User,
    "admin user limit": User,
    "config get": Setting,
    "config set": Setting,
    "config unset": Setting,
    "config list": list[Setting],
    "config path": SettingsFile,
    "doctor": list[Finding],
    "completion install": CompletionState,
    "completion uninstall": CompletionState,
}
"""Command → what it prints. One job is one object; several, or a set, are a list."""

WITHOUT: dict[str, str] = {
    "cat": "it prints what is in the files, byte for byte",
    "logs": "it prints what the job wrote, byte for byte",
    "service logs": "it prints the service's log, line for line",
    "completion bash": "it prints a script",
    "completion zsh": "it prints a script",
    "completion fish": "it prints a script",
    "config edit": "it is a conversation with your editor",
}
"""Commands that have no `--json`, and why."""
