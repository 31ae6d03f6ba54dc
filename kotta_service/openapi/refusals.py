"""Every `code` that an error answer can have: its status, and an example of its words."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """One kind of error answer.

    Attributes:
        detail: as the service might say it.
        hint: what it might advise.
    """

    status: int
    detail: str
    hint: str = ""
    errors: tuple[tuple[str, str, str], ...] = ()

    def example(self, code: str) -> dict[str, Any]:
        """What the body of such an answer looks like."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": code,
            "detail": self.detail,
            "hint": self.hint,
            "request_id": "5f0c9a1e-17",
            "errors": [
                {"pointer": pointer, "detail": detail, "hint": hint}
                for pointer, detail, hint in self.errors
            ],
        }


REFUSALS = {
    "bad_request": Refusal(400, "the request is wrong: limit: must be at most 1000"),
    "login_required": Refusal(
        401, "this service wants to know who asks", "kotta login https://kotta.lab"
    ),
    "token_invalid": Refusal(401, "this token does not count, or no longer", "kotta login"),
    "scope_missing": Refusal(
        403,
        "this token is not good for that: it lacks the scope `write`",
        "kotta token create --scope write",
    ),
    "not_admin": Refusal(403, "that is for administrators"),
    "token_outlives": Refusal(
        403,
        "a token cannot make one that outlives it",
        "kotta login, or an earlier --expires",
    ),
    "beyond_quota": Refusal(
        403,
        "your files may hold 1024 MiB: they hold 1024.0 MiB, and 0.0 MiB are left",
        "kotta whoami shows your limits; an administrator can give you more",
    ),
    "not_found": Refusal(404, "there is no job 3f1c2d4e-5a6b-4c7d-8e9f-0a1b2c3d4e5f", "kotta list"),
    "already_ended": Refusal(409, "the job has completed already"),
    "conflict": Refusal(409, "there is a user `ada` already"),
    "not_direct": Refusal(
        409, "this service keeps files on its own disk: send them to it, and ask it for them"
    ),
    "lifecycle_refused": Refusal(409, "S3 does not take the policy: S3 answers NotImplemented"),
    "not_arrived": Refusal(
        400, "the file did not arrive in the storage: there is none", "send it again"
    ),
    "too_large": Refusal(413, "a request may hold 64 MiB at most"),
    "wrong_content_type": Refusal(
        415, "the request's body is not application/json", "send Content-Type: application/json"
    ),
    "range_not_satisfiable": Refusal(
        416, "the file has 12 bytes, and none in the range that was asked for"
    ),
    "bad_description": Refusal(
        422,
        "the request's body is wrong",
        errors=(("/jobs/0/waltime", "is not a known field", "did you mean `walltime`?"),),
    ),
    "idempotency_key_reused": Refusal(
        422, "this idempotency key was used for another request", "use a new key"
    ),
    "hash_mismatch": Refusal(422, "the bytes that came have another SHA-256"),
    "not_taken": Refusal(400, "the file that `Kotta-Path` names cannot be read from here"),
    "quota": Refusal(429, "you have 1000 tokens already", "kotta token list"),
    "too_many_requests": Refusal(
        429, "you have 128 requests under way at once", "let some of them end first"
    ),
    "service_fault": Refusal(
        500, "the service failed to carry this out", "see its log: kotta service logs"
    ),
    "unavailable": Refusal(503, "the service cannot do that now", "try again in a minute"),
    "storage_unavailable": Refusal(
        503, "the service's storage cannot be used now: s3://lab-files: S3 answers SlowDown"
    ),
    "storage_full": Refusal(
        507,
        "the service's disk is full, so nothing was accepted",
        "free some space where the service keeps its data, then repeat this",
    ),
}
