"""Which storage the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kotta.errors import ConfigError
from kotta_service.s3_settings import split_url
from kotta_service.settings import Settings

if TYPE_CHECKING:
    from kotta_service.storage import Storage


def bucket_problem(settings: Settings) -> str:
    """What S3 says against its use as these settings have it, in words; "" for nothing.

    It is asked: something is read, written and removed. That may take some seconds.
    """
    if not settings.storage:
        return ""
    from kotta_service.storage.bucket import S3, Bucket

    name, prefix = split_url(settings.storage)
    prefix = f"{prefix}/" if prefix else ""
    try:
        bucket = Bucket(S3(settings.s3), name)
    except ConfigError as error:
        return error.message
    return bucket.problem(prefix) or bucket.writing_problem(f"{prefix}kotta-check")


def storage_of(settings: Settings, data: Path) -> Storage:
    """The storage that a service is to use; nobody is asked whether it is there.

    Raises:
        ConfigError: it cannot be used as the settings say.
    """
    if settings.storage:
        # slow to import, and not everywhere installed
        from kotta_service.storage.s3 import S3Storage

        (data / "files").mkdir(mode=0o700, exist_ok=True)
        return S3Storage(settings.storage, settings.s3, data / "files" / "incoming")
    from kotta_service.storage.files import FileStorage

    return FileStorage(data / "files")
