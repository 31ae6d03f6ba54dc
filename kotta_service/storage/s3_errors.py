"""What S3 and the two libraries that speak with it say when something fails, as errors of ours."""

from __future__ import annotations

import contextlib
import re
import textwrap
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError

from kotta.errors import KottaError, StorageFullError
from kotta_service.storage import StorageAwayError

RETRY_AFTER_SECONDS = 2
# Source: "Error responses" in the API references of Amazon S3, Ceph's gateway and MinIO; Swift says
# EntityTooLarge where a quota is reached
_FULL = frozenset(
    {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507", "EntityTooLarge"}
)
_MEANINGS = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "its credentials do not allow this (AccessDenied)",
    "403": "its credentials do not allow this",
    "InvalidAccessKeyId": "its access key is not known there (InvalidAccessKeyId)",
    "SignatureDoesNotMatch": "its secret access key is wrong (SignatureDoesNotMatch)",
    "ExpiredToken": "its credentials have expired (ExpiredToken)",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "301": "the bucket is in another region",
}
_MAX_CHARACTERS = 300
_END = r"(?=[\"'`)>,.;:]*(?:\s|$))"
"""The end of a word, before what closes a quotation of it."""
_QUERY = re.compile(rf"\?\S+?{_END}")
"""What was asked for may be signed, and a signature is as good as a key."""
_LONG = re.compile(rf"(\S{{120}})\S+?{_END}")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")


def code_of(error: Exception) -> str:
    """The code in S3's answer, `404` and the like where it gave none; "" if it did not answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    found = _CODE.search(str(error)) or re.search(r"status code: (\d{3})", str(error))
    return found[1] if found else ""


def is_missing(error: Exception) -> bool:
    """Whether it says that there is no such object, and no more than that."""
    return isinstance(error, FileNotFoundError) or code_of(error) in ("404", "NoSuchKey")


@contextlib.contextmanager
def translated(bucket: str) -> Iterator[None]:
    """Makes errors of the libraries ours.

    Raises:
        StorageFullError: S3 says that there is no room.
        StorageAwayError: it cannot be reached, or refuses; an administrator may have to see to it.
    """
    try:
        yield
    except (BotoCoreError, ClientError, BaseError, FileNotFoundError, ValueError) as error:
        raise our_error(bucket, error) from error


def our_error(bucket: str, error: Exception) -> KottaError:
    """What an error of the libraries means."""
    code = code_of(error)
    if code in _FULL:
        return StorageFullError(
            f"the service's storage, s3://{bucket}, is full ({code})",
            hint="its administrator has to make room; then repeat this",
        )
    words = f"s3://{bucket}: {words_of(error)}"
    found = StorageAwayError(f"the service's storage cannot be used now: {words}")
    found.retry_after_seconds = RETRY_AFTER_SECONDS
    return found


def words_of(error: Exception) -> str:
    """The same in a few words, without anything secret."""
    code = code_of(error)
    if code:
        return _MEANINGS.get(code, f"S3 answers {code}")
    text = _QUERY.sub("", str(error).partition("\n")[0])
    # a long name is shortened where it stands, for the reason comes behind it
    text = textwrap.shorten(_LONG.sub(r"\1...", text), _MAX_CHARACTERS, placeholder=" ...")
    return text + '"' * (text.count('"') % 2) or type(error).__name__
