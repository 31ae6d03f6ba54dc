"""What FastAPI cannot know of each operation: who may ask, examples, headers, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kotta_service.openapi import examples

ANYBODY: Literal["anybody"] = "anybody"
TAGS = {
    "jobs": "Submit jobs, look at them, end them.",
    "changes": "The feed by which everything waits that waits.",
    "files": "Bytes: uploads, outputs, and what jobs write.",
    "service": "The service about itself and its queues.",
    "login": "Logins by OAuth 2.0 device authorization (RFC 8628), and tokens for scripts.",
    "users": "Who may log in; for administrators.",
    "upkeep": "Checking, backing up and pruning what a service keeps; for administrators.",
    "runner": "Where runners report. Only what was given an attempt can.",
    "health": "For machines that watch over the service; without a token.",
}


@dataclass(frozen=True)
class Operation:
    """What is added to one operation.

    Attributes:
        words: what the summary leaves open.
        security: `token` of a user, `attempt` of a runner, or `anybody`.
        request: an example of its body.
        answer: an example of what it answers.
        headers: of the answer.
        parameters: that its function reads by itself.
        upload: whether its body is a file's bytes.
        refusals: errors that occur beside those that its kind of route has.
    """

    words: str = ""
    security: Literal["token", "attempt", "anybody"] = "token"
    request: Any = None
    answer: Any = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    parameters: Sequence[Mapping[str, Any]] = ()
    upload: bool = False
    refusals: Sequence[str] = ()


def _header(
    words: str, example: Any = None, kind: str = "string", *, always: bool = False
) -> dict[str, Any]:
    described = {"description": words, "schema": {"type": kind}, "required": always}
    return described if example is None else {**described, "example": example}


def _asked(name: str, words: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": words,
        "schema": {"type": "string"},
        "example": example,
    }


def _named(name: str, words: str, example: Any) -> dict[str, Any]:
    return {name: {"description": words, "example": example}}


PARAMETERS: dict[str, dict[str, Any]] = {
    **_named("job_id", "A job's full id", examples.JOB_ID),
    **_named("sha256", "SHA-256 of the bytes, in lower-case hex", examples.SHA256),
    **_named("stream", "Which of the two", "stdout"),
    **_named("token_id", "Id of a login or a token", examples.TOKEN["id"]),
    **_named("wait", "Seconds to wait for something to tell", 25),
    **_named("after", "Number of the last change that is known", 41),
    **_named("limit", "How many at most", 100),
    **_named("cursor", "`next_cursor` of the page before", "NDE"),
    **_named("selector", "As on the command line: an id, its start, a name, `@failed`, …", "fit-*"),
    **_named("offset", "First byte that is wanted", 0),
    **_named("tail", "Begin so many lines before the end", 10),
    **_named("since", "Begin with what came at this time or later", "2026-03-01T09:30:00Z"),
    **_named("attempt", "Which attempt of the job; 0: the latest", 0),
    **_named("status", "Jobs in these states alone", ["pending", "processing"]),
    **_named("queue", "Jobs in this queue alone", "Test"),
    **_named("tag", "Jobs with this tag alone", "paper"),
    **_named("array", "Jobs of this array alone", examples.JOB_ID),
    **_named("owner", "Jobs of this user, as far as one may see them; `*`: of everybody", "ada"),
    "shared": {"description": "Jobs that others share with one, alone"},
    **_named("job", "Changes of these jobs alone", [examples.JOB_ID]),
    "results": {"description": "Tell the results of function calls as well"},
    "ended": {"description": "Leave out jobs that have not ended, and wake for an end alone"},
    "name": {"description": "A name"},
    "kotta-accept": {
        "description": "Over the service's own socket: answer with a path on this machine"
    },
    "kotta-path": {
        "description": "Over the service's own socket, in place of the bytes: a file of this "
        "machine that it is to read, percent-encoded",
        "example": "/home/ada/big.bin",
    },
    "idempotency-key": {
        "description": "A name for this request, kept as long as its jobs: sent again it gives the "
        "same jobs with 200; with another body it is refused",
        "example": "0b7c5c1e-2f4d-4d57-9f0e-5b1f6d1c2a3b",
    },
}
_PATH = _header("With `Kotta-Accept: path`: where it lies, percent-encoded", "/var/lib/kotta/f")
_NOSNIFF = _header("Bytes are not to be taken for a page", "nosniff")
_FILE = {
    "ETag": _header("The bytes' SHA-256, in quotes", f'"{examples.SHA256}"'),
    "Accept-Ranges": _header("That ranges are understood", "bytes"),
    "Content-Range": _header("With 206: which bytes these are", "bytes 0-99/1000"),
    "X-Content-Type-Options": _NOSNIFF,
    "Kotta-Path": _PATH,
}
_STREAM = {
    "Kotta-Attempt": _header("Which attempt wrote the bytes", 1, "integer", always=True),
    "Kotta-Offset": _header("Where they begin", 0, "integer", always=True),
    "Kotta-Next-Offset": _header("Where the next piece begins", 12, "integer", always=True),
    "Kotta-Log-Size": _header("How long the stream is now", 12, "integer", always=True),
    "Kotta-Next-Attempt": _header("The job was started again: go on with this one", 2, "integer"),
    "Kotta-Log-Ended": _header("`true`: nothing will follow", "true"),
}
_PAGE = {"jobs": [examples.ENDED], "is_set": True, "next_cursor": None, "change": 45}
_JOBS = {"jobs": [examples.DESCRIPTION]}
_CHECKED = {
    "name": "fit",
    "queue": "Test",
    "cpus": 1,
    "memory_mib": 2048,
    "walltime_seconds": 1800.0,
    "ahead": 0,
    "waits_for": 0,
    "limit": None,
    "starts_now": True,
}
_PLACE = {
    "job": examples.JOB,
    "position": 1,
    "needs": [],
    "next_up": None,
    "head_lacks": "cpus",
    "limit": None,
    "queue": examples.QUEUE,
    "running": [],
}
_CHANGES = {"changes": [{"number": 45, "job": examples.ENDED, "result": None}], "last": 45}
_OWN = {
    "name": "ada",
    "email": "ada@example.org",
    "role": "user",
    "scopes": ["read", "write"],
    "server": "https://kotta.lab",
    "limits": [{"name": "queued", "used": 3, "limit": 1000}],
}
_DEVICE_FORM = {"client_id": "kotta", "scope": "read write", "label": "ada's laptop"}
_TOKEN_FORM = {
    "client_id": "kotta",
    "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    "device_code": "kotta_d_x7Yw0qQ",
}

OPERATIONS: dict[str, Operation] = {
    # jobs
    "submit": Operation(
        "Either every job is accepted, and on disk, or none is. 201: they are new; 200: this "
        "idempotency key had submitted them already.",
        request=_JOBS,
        answer={"jobs": [examples.JOB], "ended": []},
        refusals=("idempotency_key_reused", "quota", "beyond_quota"),
    ),
    "check": Operation(
        request=_JOBS, answer={"jobs": [_CHECKED]}, refusals=("quota", "beyond_quota")
    ),
    "list_jobs": Operation(answer=_PAGE),
    "select": Operation(
        "`is_set` says whether the selector names a set; else more than one job are candidates.",
        answer=_PAGE,
    ),
    "cancel_many": Operation(
        "What has ended stays as it was.",
        request={"jobs": [examples.JOB_ID]},
        answer={"jobs": [examples.ENDED]},
        refusals=("not_found",),
    ),
    "share": Operation(
        "Names add to those who may see the jobs already, unless `replace` is true.",
        request={"jobs": [examples.JOB_ID], "readers": ["bob"]},
        answer={"jobs": [{"id": examples.JOB_ID, "name": "fit", "shared_with": ["bob"]}]},
        refusals=("not_found", "conflict"),
    ),
    "status": Operation(answer=examples.DETAIL),
    "place": Operation(answer=_PLACE, refusals=("already_ended",)),
    "cancel": Operation(
        "Twice is the same as once.", answer=examples.JOB, refusals=("already_ended",)
    ),
    "usage": Operation(answer=examples.USAGE),
    "changes": Operation(
        "A job that changed several times appears once, as it is now.", answer=_CHANGES
    ),
    # files
    "check_uploads": Operation(
        "With `direct`, they are sent to S3: see the two operations below.",
        request={"sha256": [examples.SHA256]},
        answer={"missing": [examples.SHA256], "direct": False, "incoming": None},
    ),
    "sign_upload": Operation(
        "409 `not_direct` where the service keeps files itself. More than 64 MiB go in parts.",
        request={"size_bytes": 1024},
        answer=examples.SIGNED_UPLOAD,
        refusals=("not_direct", "beyond_quota"),
    ),
    "finish_upload": Operation(
        "201: they are kept; 200: they were here already. 400 `not_arrived`: send them again.",
        request={"size_bytes": 1024, "upload_id": "", "parts": []},
        refusals=("not_direct", "not_arrived", "beyond_quota"),
    ),
    "upload": Operation(
        "201: they are kept; 200: they were here already.",
        upload=True,
        refusals=("hash_mismatch", "not_taken", "beyond_quota"),
    ),
    "output": Operation(
        headers=_FILE,
        answer="x,y\n1,2\n",
        parameters=(
            _asked("Range", "One range of bytes (RFC 9110, 14.2)", "bytes=0-99"),
            _asked("If-Range", "The `ETag` that the range is to be of", f'"{examples.SHA256}"'),
        ),
        refusals=("range_not_satisfiable",),
    ),
    "many_outputs": Operation(
        request={"names": ["a.json", "b.json"]},
        headers={"Kotta-Path": _PATH, "X-Content-Type-Options": _NOSNIFF},
        answer='{"a": 1}{"b": 2}',
    ),
    "logs": Operation(headers=_STREAM, answer="epoch 1\n"),
    # the service
    "service": Operation(answer=examples.SERVICE),
    "stop": Operation("Requests at hand are answered first.", refusals=("not_admin",)),
    "queues": Operation(answer={"queues": [examples.QUEUE]}),
    # logins
    "oauth_metadata": Operation(security=ANYBODY, answer=examples.METADATA),
    "begin_login": Operation(security=ANYBODY, request=_DEVICE_FORM, answer=examples.DEVICE),
    "give_tokens": Operation(
        "Until somebody has approved the login: 400 `authorization_pending` or `slow_down`.",
        security=ANYBODY,
        request=_TOKEN_FORM,
        answer=examples.TOKENS,
    ),
    "revoke_login": Operation(
        "200 as well if it is no token of ours (RFC 7009).",
        security=ANYBODY,
        request={"token": "kotta_r_x7Yw0qQ", "client_id": "kotta"},
        answer={},
    ),
    "list_tokens": Operation(answer={"tokens": [examples.TOKEN]}),
    "make_token": Operation(
        "A token is good for no more, and lives no longer, than the one it is made with.",
        request={"label": "nightly", "scopes": ["read", "write"], "expires_in_seconds": 86_400},
        answer={**examples.TOKEN, "token": "kotta_t_x7Yw0qQ"},
        refusals=("token_outlives", "conflict", "quota"),
    ),
    "end_token": Operation(),
    # users
    "whoami": Operation(answer=_OWN),
    "list_users": Operation(answer={"users": [examples.USER]}, refusals=("not_admin",)),
    "add_user": Operation(
        request={"name": "ada", "email": "ada@example.org", "role": "user"},
        answer=examples.INVITATION,
        refusals=("not_admin", "conflict"),
    ),
    "change_user": Operation(
        "Who is disabled is logged out at once.",
        request={"role": "admin", "limits": {"queued": 1000}},
        answer=examples.USER,
        refusals=("not_admin", "conflict"),
    ),
    "invite": Operation(
        "The link before counts no longer.",
        answer=examples.INVITATION,
        refusals=("not_admin", "conflict"),
    ),
    # upkeep
    "check_service": Operation(
        "What is broken comes first. It may take as long as reading all that is kept.",
        request={"contents": True},
        answer=examples.CHECK_REPORT,
        refusals=("not_admin", "conflict"),
    ),
    "back_up": Operation(
        "The database at one moment, and every file that it refers to; secrets are among them.",
        answer="the bytes of a tar archive",
        refusals=("not_admin", "conflict"),
    ),
    "lifecycle_policy": Operation(
        "With `apply` the bucket gets the rules; those that it has of others stay.",
        request={"infrequent_after_days": 30, "archive_after_days": 180, "apply": False},
        answer=examples.LIFECYCLE,
        refusals=("not_admin", "not_direct", "lifecycle_refused"),
    ),
    "prune": Operation(
        "Nothing that has not ended goes, nor what something that stays refers to.",
        request={"older_than_seconds": 7_776_000, "dry_run": True},
        answer={
            "dry_run": True,
            "jobs": 1200,
            "uploads": 3,
            "leftovers": 0,
            "freed_bytes": 73_400_320,
            "kept_as_needed": 1,
        },
        refusals=("not_admin", "conflict"),
    ),
    # machines
    "report": Operation(
        security="attempt",
        request=examples.REPORT,
        answer={"cancel": False},
        refusals=("not_found",),
    ),
    "runner_inputs": Operation(
        security="attempt",
        request={"job_id": examples.JOB_ID, "attempt": 1, "inputs": []},
        answer={"urls": [], "seconds": 900},
        refusals=("not_found", "conflict"),
    ),
    "runner_uploads": Operation(
        security="attempt",
        request={
            "job_id": examples.JOB_ID,
            "attempt": 1,
            "files": [{"name": "a.csv", "size_bytes": 1024, "sha256": examples.SHA256}],
        },
        answer={"uploads": [examples.SIGNED_UPLOAD]},
        refusals=("not_found", "conflict", "not_direct"),
    ),
    "finish_runner_upload": Operation(
        security="attempt",
        request={
            "job_id": examples.JOB_ID,
            "attempt": 1,
            "name": "a.csv",
            "size_bytes": 1024,
            "sha256": examples.SHA256,
            "upload_id": "2~x7Yw0qQ",
            "parts": ['"9bb58f26192e4ba00f01e2e7b136bbd8"'],
        },
        refusals=("not_found", "conflict", "not_direct", "not_arrived"),
    ),
    "metrics": Operation(
        "Needs a token of an administrator, good to read.",
        answer='kotta_jobs{queue="Test",state="pending"} 3.0\n',
        refusals=("not_admin",),
    ),
    "healthz": Operation(security=ANYBODY, answer={"status": "alive"}),
    "readyz": Operation(security=ANYBODY, answer={"status": "ready", "lacks": []}),
}
