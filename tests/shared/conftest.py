from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import NewDatabase
from s3_server import NewBucket
from shared_service import SharedService


@pytest.fixture(scope="module")
def shared(new_database: NewDatabase, new_bucket: NewBucket) -> Iterator[SharedService]:
    """A shared service for the tests of a file, with users ada and bob, and the administrator eve.

    In a folder of its own with a short name: the path of a socket may not be long.
    """
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = SharedService(Path(home), KOTTA_SERVICE_DATABASE=new_database(), **new_bucket())
        service.start()
        try:
            for name, role in (("ada", "user"), ("bob", "user"), ("eve", "admin")):
                service.add_user(name, role)
            yield service
        finally:
            service.close()
