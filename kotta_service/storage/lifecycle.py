"""What becomes of objects as they grow old: a bucket's lifecycle, as S3 takes it.

Source: PutBucketLifecycleConfiguration in the API reference of Amazon S3; its user guide,
"Lifecycle transition considerations".
"""

from __future__ import annotations

from typing import Any

from kotta.errors import ConflictError, RequestError
from kotta.models.requests import LifecycleRequest
from kotta_service.s3_settings import S3Settings
from kotta_service.storage import Storage
from kotta_service.storage.files import not_direct

INFREQUENT = "STANDARD_IA"
LEAST_DAYS = 30
"""In infrequent access nothing may lie for less, nor before."""
OWN = "kotta-"


def policy(prefix: str, settings: S3Settings, wanted: LifecycleRequest) -> dict[str, Any]:
    """The rules for what lies below a prefix, which ends at a `/` or is "".

    Raises:
        RequestError: S3 would not take them.
    """
    infrequent, archive = wanted.infrequent_after_days, wanted.archive_after_days
    if infrequent and infrequent < LEAST_DAYS:
        raise RequestError(f"S3 moves nothing to infrequent access before {LEAST_DAYS} days")
    if settings.storage_class == INFREQUENT:
        infrequent = 0  # it is there from the beginning
    if infrequent and archive and archive < infrequent + LEAST_DAYS:
        raise RequestError(
            f"S3 archives nothing that has not been in infrequent access for {LEAST_DAYS} days",
            hint=f"--archive-after {infrequent + LEAST_DAYS}, or --infrequent-after 0",
        )
    transitions = [
        {"Days": days, "StorageClass": name}
        for days, name in ((infrequent, INFREQUENT), (archive, wanted.archive_class))
        if days
    ]
    rules: list[dict[str, Any]] = []
    if transitions:
        where = {"Prefix": f"{prefix}outputs/"}
        rules.append(_rule("outputs", where, {"Transitions": transitions}))
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": wanted.abort_after_days}}
    rules.append(_rule("unfinished-uploads", {"Prefix": prefix}, abort))
    return {"Rules": rules}


def apply(storage: Storage, rules: dict[str, Any]) -> None:
    """Gives the bucket these rules in place of those it had of ours; others stay.

    Raises:
        ConflictError: S3 does not take them, or knows nothing of such rules.
    """
    from kotta_service.storage.s3 import S3Storage

    if not isinstance(storage, S3Storage):
        raise not_direct()
    refused = storage.bucket.set_lifecycle(rules["Rules"], OWN)
    if refused:
        raise ConflictError(
            f"S3 does not take the policy: {refused}",
            hint="without --apply it is printed, for whoever may set it",
            code="lifecycle_refused",
        )


def _rule(name: str, where: dict[str, str], what: dict[str, Any]) -> dict[str, Any]:
    return {"ID": f"{OWN}{name}", "Status": "Enabled", "Filter": where, **what}
