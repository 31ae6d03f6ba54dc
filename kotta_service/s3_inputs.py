"""What users name in S3 as inputs: whether they may, and where a runner reads it.

It is read with the service's credentials, so its settings say what is whose to read. What lies
below the service's own prefix is an upload or an output, and stands under the rules for those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from kotta.errors import KottaError
from kotta_service.s3_settings import OWNER, split_url
from kotta_service.settings import Settings
from kotta_service.submission import Wanted

if TYPE_CHECKING:
    from kotta_service.storage.bucket import S3

SCHEME = "s3://"


class S3Inputs:
    """Signs what runners read; who may name it is asked again each time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._s3: S3 | None = None
        if settings.s3.has_inputs:
            # slow to import, and not everywhere installed
            from kotta_service.storage.bucket import S3

            self._s3 = S3(settings.s3)

    def url(self, owner: str, url: str) -> str:
        """Where what `owner` calls `s3://bucket/key` can be read for a while.

        Raises:
            KottaError: they may not read it (any more).
        """
        found = problem(self._settings, owner, url)
        if found is not None or self._s3 is None:
            raise KottaError(f"input {url} {found[0] if found else 'cannot be read here'}")
        bucket, key = _split(url)
        seconds = self._settings.s3.signed_seconds
        return self._s3.sign("get_object", seconds, Bucket=bucket, Key=key)


def problem(settings: Settings, owner: str, url: str) -> tuple[str, str] | None:
    """What is wrong with an `s3://` URL as an input of `owner`'s, and a hint; None if nothing."""
    s3 = settings.s3
    if not s3.has_inputs:
        if not settings.storage:
            return "names S3, and no S3 is configured here", "give an https:// URL or a local file"
        return "names S3, of which nothing may be an input here", "upload the file, or ask for it"
    try:
        bucket, key = _split(url)
    except ValueError:
        return "is no URL like s3://bucket/key", ""
    if any(part in ("", ".", "..") for part in key.split("/")):
        return "is no URL of an object, like s3://bucket/key", ""
    if s3.permits(owner, bucket, key) and not _is_own(settings, bucket, key):
        return None
    allowed = [each.replace(OWNER, owner) for each in (*s3.inputs, *s3.inputs_of.get(owner, ()))]
    hint = f"you may name what is below {', '.join(allowed)}" if allowed else ""
    return "names what you may not have as an input here", hint


def with_own_urls(settings: Settings, wanted: Sequence[Wanted]) -> list[Wanted]:
    """The same jobs, their inputs in the service's own storage called as Kotta calls them."""
    if not settings.storage:
        return list(wanted)
    found = []
    for job in wanted:
        inputs = [_kotta_url(settings, url) for url in job.description.inputs]
        if inputs != job.description.inputs:
            job = replace(job, description=job.description.model_copy(update={"inputs": inputs}))
        found.append(job)
    return found


def _kotta_url(settings: Settings, url: str) -> str:
    """What an object of the service's own storage is called; what is none stays as it is."""
    if not url.startswith(SCHEME):
        return url
    try:
        bucket, key = _split(url)
    except ValueError:
        return url
    own, prefix = split_url(settings.storage)
    begin = f"{prefix}/" if prefix else ""
    parts = key.removeprefix(begin).split("/")
    if bucket != own or not key.startswith(begin) or len(parts) != 4:
        return url
    if parts[0] == "outputs":
        job_id, _, _ = parts[2].rpartition(".")
        return f"kotta://jobs/{job_id}/{quote(parts[3], safe='')}"
    if parts[0] == "uploads":
        return f"kotta://uploads/{parts[3]}/{parts[3]}"
    return url


def _is_own(settings: Settings, bucket: str, key: str) -> bool:
    if not settings.storage:
        return False
    own, prefix = split_url(settings.storage)
    return bucket == own and (not prefix or key.startswith(f"{prefix}/"))


def _split(url: str) -> tuple[str, str]:
    bucket, key = split_url(url)
    return bucket, unquote(key)
