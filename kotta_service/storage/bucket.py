"""One way to S3: what is asked of it, and what is signed for others to ask.

obstore moves bytes, lists and signs what is to be read; in its 0.12 a signature covers a method and
a path, so that it can neither pin what is to be written (size, hash, encryption, storage class) nor
name a part of an upload. Those botocore signs, which also finds credentials as all tools of AWS do.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import botocore.session
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError
from obstore.store import S3Store

from kotta.errors import ConfigError
from kotta_service.s3_settings import S3Settings
from kotta_service.storage.s3_errors import code_of, is_missing, translated, words_of

PUT_PART_BYTES = 16 << 20
PUT_CONNECTIONS = 4
_ASK_AGAIN = timedelta(minutes=5)
_REQUEST_SECONDS = 30


@dataclass(frozen=True)
class Found:
    """An object that is there.

    Attributes:
        sha256: what S3 has computed itself, else what was promised when it was written; "" if it
            knows neither.
        changed_at: seconds since 1970.
    """

    size_bytes: int
    sha256: str
    changed_at: float


class Listed(NamedTuple):
    """An object in a list.

    Attributes:
        changed_at: seconds since 1970.
    """

    key: str
    size_bytes: int
    changed_at: float


class S3:
    """Whoever asks S3, by settings and by what AWS's variables and files say.

    Raises:
        ConfigError: there are no credentials.
    """

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        session = botocore.session.Session(profile=settings.profile or None)
        if settings.access_key_id:
            session.set_credentials(settings.access_key_id, settings.secret())
        try:
            self.region = settings.region or session.get_config_variable("region") or "us-east-1"
            self._credentials = session.get_credentials()
            endpoint = settings.endpoint or _configured_endpoint(session)
        except BotoCoreError as error:
            raise ConfigError(f"S3's credentials cannot be found: {error}") from error
        if self._credentials is None:
            raise ConfigError(
                "there are no credentials for S3: neither in [s3], nor in AWS's variables and files"
            )
        self._is_path = settings.addressing == "path" or (
            settings.addressing == "auto" and bool(endpoint)
        )
        self.client: Any = session.create_client(
            "s3",
            region_name=self.region,
            endpoint_url=endpoint or None,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if self._is_path else "virtual"},
                connect_timeout=5,
                read_timeout=_REQUEST_SECONDS,
                max_pool_connections=32,
                retries={"mode": "standard", "total_max_attempts": 2},
                # a checksum of its own choice would be one that runners and clients have to send
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    @property
    def endpoint(self) -> str:
        """Where requests go, without a bucket's name."""
        return str(self.client.meta.endpoint_url).rstrip("/")

    def store(self, bucket: str) -> S3Store:
        """The way of obstore to a bucket."""
        scheme, _, host = self.endpoint.partition("://")
        place = self.endpoint if self._is_path else f"{scheme}://{bucket}.{host}"
        return S3Store(
            bucket,
            endpoint=place,
            region=self.region,
            virtual_hosted_style_request=not self._is_path,
            credential_provider=self._credential_provider(),
            client_options={
                "allow_http": scheme == "http",
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=2 * _REQUEST_SECONDS),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=_REQUEST_SECONDS)},
            **self._encryption(),
        )

    def headers(self) -> dict[str, str]:
        """How what is written is to be kept, as parameters of botocore's."""
        settings = self.settings
        found = {
            "ServerSideEncryption": settings.encryption,
            "SSEKMSKeyId": settings.kms_key_id,
            "StorageClass": settings.storage_class,
        }
        return {name: value for name, value in found.items() if value}

    def sign(self, action: str, seconds: int, **parameters: Any) -> str:
        """A URL by which one request can be made without credentials."""
        url: str = self.client.generate_presigned_url(action, Params=parameters, ExpiresIn=seconds)
        return url

    def _encryption(self) -> dict[str, Any]:
        settings = self.settings
        found = {
            "server_side_encryption": settings.encryption,
            "sse_kms_key_id": settings.kms_key_id,
        }
        return {name: value for name, value in found.items() if value}

    def _credential_provider(self) -> Callable[[], Any]:
        def provide() -> Any:
            frozen = self._credentials.get_frozen_credentials()
            return {
                "access_key_id": frozen.access_key,
                "secret_access_key": frozen.secret_key,
                "token": frozen.token,
                # those that a role lends change; looking again costs nothing
                "expires_at": datetime.now(timezone.utc) + _ASK_AGAIN,
            }

        return provide


class Bucket:
    """One bucket, whose keys are taken as they are."""

    def __init__(self, s3: S3, name: str) -> None:
        self._s3 = s3
        self.name = name
        self._store = s3.store(name)
        self._client = s3.client

    def sign_get(self, key: str, seconds: int, download_as: str | None = None) -> str:
        """Where an object can be read for a while."""
        if download_as is None:
            return str(obstore.sign(self._store, "GET", key, timedelta(seconds=seconds)))
        # Source: RFC 6266, 4.1, and RFC 8187, 3.2
        kept_as = f"attachment; filename*=UTF-8''{quote(download_as, safe='')}"
        return self._s3.sign(
            "get_object",
            seconds,
            Bucket=self.name,
            Key=key,
            ResponseContentDisposition=kept_as,
            ResponseContentType="application/octet-stream",
        )

    def sign_put(
        self, key: str, seconds: int, sha256: str, size_bytes: int
    ) -> tuple[str, dict[str, str]]:
        """Where these bytes and no others can be written, and with which headers."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        url = self._s3.sign(
            "put_object",
            seconds,
            Bucket=self.name,
            Key=key,
            ContentLength=size_bytes,
            ChecksumSHA256=checksum,
            **self._s3.headers(),
        )
        return url, {"x-amz-checksum-sha256": checksum, **_sent(self._s3.headers())}

    def begin_parts(self, key: str, sha256: str) -> str:
        """Begins an upload in parts; its id."""
        with translated(self.name):
            begun = self._client.create_multipart_upload(
                Bucket=self.name, Key=key, Metadata={"sha256": sha256}, **self._s3.headers()
            )
        return str(begun["UploadId"])

    def sign_part(self, key: str, seconds: int, upload_id: str, number: int) -> str:
        """Where a part can be written."""
        return self._s3.sign(
            "upload_part",
            seconds,
            Bucket=self.name,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
        )

    def finish_parts(self, key: str, upload_id: str, etags: Iterator[tuple[int, str]]) -> str:
        """Makes the parts one object; "" or the code by which S3 refuses it."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags]
        with translated(self.name):
            try:
                self._client.complete_multipart_upload(
                    Bucket=self.name,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": parts},
                )
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
                if status not in (400, 404):
                    raise
                return code_of(error)
        return ""

    def unfinished(self, prefix: str) -> list[tuple[str, str]]:
        """Key and id of each upload in parts below a prefix that was not finished, 1,000 at most.

        Source: ListMultipartUploads in the API reference of Amazon S3.
        """
        with translated(self.name):
            found = self._client.list_multipart_uploads(Bucket=self.name, Prefix=prefix)
        return [(each["Key"], each["UploadId"]) for each in found.get("Uploads", [])]

    def find(self, key: str) -> Found | None:
        """What S3 says of an object, None if there is none."""
        with translated(self.name):
            try:
                head = self._client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
        changed_at = head["LastModified"].timestamp()
        return Found(int(head["ContentLength"]), _sha256_in(head), changed_at)

    def read(self, key: str, offset: int, count: int) -> bytes:
        """Some bytes of an object."""
        with translated(self.name):
            return bytes(obstore.get_range(self._store, key, start=offset, length=count))

    def pieces(self, key: str, piece_bytes: int) -> Iterator[bytes]:
        """All bytes of an object."""
        with translated(self.name):
            for piece in obstore.get(self._store, key).stream(min_chunk_size=piece_bytes):
                yield bytes(piece)

    def objects(self, prefix: str) -> Iterator[Listed]:
        """Each object below a prefix, which ends at a `/`."""
        with translated(self.name):
            for found in obstore.list(self._store, prefix, chunk_size=1000):
                for each in found:
                    changed_at = each["last_modified"].timestamp()
                    yield Listed(each["path"], each["size"], changed_at)

    def put_file(self, key: str, path: Path) -> None:
        """Writes a file; an object of that name is there once all of it is."""
        settings = self._s3.settings
        attributes: Any = (
            {"Storage-Class": settings.storage_class} if settings.storage_class else None
        )
        with translated(self.name):
            obstore.put(
                self._store,
                key,
                path,
                attributes=attributes,
                chunk_size=PUT_PART_BYTES,
                max_concurrency=PUT_CONNECTIONS,
            )

    def delete(self, key: str) -> None:
        """Removes an object, if there is one."""
        with translated(self.name):
            self._client.delete_object(Bucket=self.name, Key=key)

    def problem(self, prefix: str) -> str:
        """What keeps it from being read, in words; "" if nothing does."""
        try:
            self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1)
        except (BotoCoreError, ClientError) as error:
            return f"s3://{self.name}: {words_of(error)}"
        return ""

    def writing_problem(self, key: str) -> str:
        """What keeps it from being written, in words; something is written, and removed again."""
        try:
            self._client.put_object(Bucket=self.name, Key=key, Body=b"", **self._s3.headers())
            self._client.delete_object(Bucket=self.name, Key=key)
        except (BotoCoreError, ClientError, BaseError) as error:
            return f"s3://{self.name}: {words_of(error)}"
        return ""

    def set_lifecycle(self, rules: Sequence[Mapping[str, Any]], own: str) -> str:
        """Gives the bucket rules, in place of those whose names begin with `own`.

        Returns:
            "" or what S3 has against it, in words.
        """
        try:
            found = self._client.get_bucket_lifecycle_configuration(Bucket=self.name)
            known = found.get("Rules", [])
        except ClientError as error:
            if code_of(error) != "NoSuchLifecycleConfiguration":
                return words_of(error)
            known = []
        except BotoCoreError as error:
            return words_of(error)
        others = [rule for rule in known if not str(rule.get("ID", "")).startswith(own)]
        try:
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self.name, LifecycleConfiguration={"Rules": [*others, *rules]}
            )
        except (BotoCoreError, ClientError) as error:
            return words_of(error)
        return ""


def _configured_endpoint(session: Any) -> str:
    """The address that AWS's variables and files name for S3; "" for AWS's own.

    Source: "Service-specific endpoints" in the reference guide of AWS's SDKs and tools; what a
    section `services` says is left to botocore.
    """
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if os.environ.get(name):
            return os.environ[name]
    return str(session.get_scoped_config().get("endpoint_url") or "")


def _sent(parameters: Mapping[str, str]) -> dict[str, str]:
    names = {
        "ServerSideEncryption": "x-amz-server-side-encryption",
        "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
        "StorageClass": "x-amz-storage-class",
    }
    return {names[name]: value for name, value in parameters.items()}


def _sha256_in(head: Mapping[str, Any]) -> str:
    checksum = str(head.get("ChecksumSHA256") or "")
    # that of an object in parts is one of its parts' hashes, and says so: `…-3`
    if checksum and "-" not in checksum and head.get("ChecksumType") != "COMPOSITE":
        return base64.b64decode(checksum).hex()
    return str(head.get("Metadata", {}).get("sha256", ""))


def is_plain(key: str) -> bool:
    """Whether a key is one that every program on the way takes as it is."""
    return bool(key) and all(part not in ("", ".", "..") for part in key.split("/"))
