"""How S3 is reached and what users may have of it: `[s3]` of the service's settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from kotta.errors import ConfigError

# Source: Amazon S3 user guide, "General purpose bucket naming rules"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
OWNER = "{owner}"


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of `s3://bucket/key`, both as they are written.

    Raises:
        ValueError: it is no such URL.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not _BUCKET.match(bucket):
        raise ValueError("is no URL like s3://bucket/prefix")
    return bucket, key


def storage_url(text: str) -> str:
    """`text`, if it says where files are to be kept: "" for the data directory, or a bucket."""
    if text:
        _, prefix = split_url(text)
        if any(part in ("", ".", "..") for part in prefix.rstrip("/").split("/")) and prefix:
            raise ValueError("its prefix has an empty part, `.` or `..`")
    return text.rstrip("/")


def _prefix_url(text: str) -> str:
    split_url(text)
    return text


PrefixUrl = Annotated[str, AfterValidator(_prefix_url)]


class S3Settings(BaseModel):
    """How S3 is reached.

    Attributes:
        endpoint: its address, such as `https://minio.lab:9000`; "": AWS's own, or what AWS's
            variables and configuration files name.
        region: the same; "": theirs, else `us-east-1`.
        profile: of AWS's configuration files; "": the one that AWS_PROFILE names, or `default`.
        access_key_id: who asks; "": as AWS's own tools find out.
        secret_access_key: what goes with it, or
        secret_access_key_file: a file that holds it and nothing else.
        addressing: where a bucket's name is put: before the host's, or first in the path; `auto`:
            as AWS wants it there, in the path elsewhere.
        encryption: how S3 is to encrypt what it keeps; "": as the bucket's own settings say.
        kms_key_id: with `aws:kms`, with which key; "": the one for S3.
        storage_class: such as `STANDARD_IA` or `INTELLIGENT_TIERING`; "": the bucket's own.
        signed_seconds: for how long a signed URL counts.
        give_up_seconds: for how long a runner tries to reach S3 and the service without anything
            having come through, before its job fails.
        inputs: what everybody may name as inputs, as `s3://bucket/prefix/`; `{owner}` stands for
            the user's name.
        inputs_of: what single users may name besides, by their names.
    """

    model_config = ConfigDict(extra="forbid")

    endpoint: str = ""
    region: str = ""
    profile: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    secret_access_key_file: Path | None = None
    addressing: Literal["auto", "virtual", "path"] = "auto"
    encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = ""
    kms_key_id: str = ""
    storage_class: Annotated[str, Field(pattern=r"^[A-Z_]{0,64}$")] = ""
    signed_seconds: Annotated[int, Field(ge=10, le=7 * 24 * 3600)] = 900
    give_up_seconds: Annotated[float, Field(gt=0)] = 4 * 3600
    inputs: list[PrefixUrl] = Field(default_factory=list)
    inputs_of: dict[str, list[PrefixUrl]] = Field(default_factory=dict)

    @property
    def has_inputs(self) -> bool:
        """Whether anybody may name anything in S3 as an input."""
        return bool(self.inputs or self.inputs_of)

    def secret(self) -> str:
        """The secret access key, from wherever it is; "" for none.

        Raises:
            ConfigError: its file cannot be read.
        """
        if self.secret_access_key_file is None:
            return self.secret_access_key.get_secret_value()
        try:
            return self.secret_access_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"cannot read {self.secret_access_key_file}: {words}") from error

    def permits(self, owner: str, bucket: str, key: str) -> bool:
        """Whether a user may have this object as an input."""
        for url in (*self.inputs, *self.inputs_of.get(owner, ())):
            allowed, prefix = split_url(url)
            prefix = prefix.replace(OWNER, owner)
            # `s3://lab/ada` is not meant to open `s3://lab/adalovelace`
            whole = not prefix or prefix.endswith("/") or key == prefix
            if allowed == bucket and key.startswith(prefix if whole else f"{prefix}/"):
                return True
        return False


def problems(storage: str, s3: S3Settings) -> Iterator[str]:
    """What has to be changed before S3 can be used, in sentences; nobody is asked."""
    if not storage and not s3.has_inputs:
        return
    try:
        import botocore  # noqa: F401
        import obstore  # noqa: F401
    except ImportError:
        yield "S3 needs packages that are not installed: pip install 'kotta-cli[s3]'"
        return
    if s3.secret_access_key_file is not None and s3.secret_access_key.get_secret_value():
        yield "[s3] has secret_access_key and secret_access_key_file: one of them is enough"
    try:
        if bool(s3.access_key_id) != bool(s3.secret()):
            yield "[s3] access_key_id and its secret belong together: one of them is missing"
    except ConfigError as error:
        yield f"[s3] secret_access_key_file: {error.message}"
    if s3.kms_key_id and not s3.encryption.startswith("aws:kms"):
        yield '[s3] kms_key_id needs encryption = "aws:kms"'
    if s3.endpoint:
        yield from _endpoint_problems(s3.endpoint)


def _endpoint_problems(endpoint: str) -> Iterator[str]:
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_more = bool(parts.path.strip("/") or parts.query or parts.username)
    except ValueError:
        is_url = has_more = False
    if not is_url or has_more:
        yield f"[s3] endpoint = {endpoint!r} is no address like https://minio.lab:9000"
