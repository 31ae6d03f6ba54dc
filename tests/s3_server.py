"""A real S3 server of the tests' own: OpenStack Swift with its S3 API, in a folder.

It refuses what S3 refuses: wrong signatures, URLs that have expired, bytes with another
checksum than was signed. Objects are files below the folder; its processes are ended by their pids.
"""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from waiting import wait_until

NewBucket = Callable[[], dict[str, str]]
"""Makes the environment of a service that keeps its files in a bucket with nothing in it."""
ACCESS_KEY, SECRET_KEY = "test:tester", "testing"
PARTS = ("object", "container", "account", "proxy")
PART = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/disks
mount_check = false
disable_fallocate = true
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
[pipeline:main]
pipeline = {pipeline} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 5
node_timeout = 30
error_suppression_limit = 100000
allow_account_management = true
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
check_bucket_owner = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
user_test_guest = guesting
"""
FILTERS = (
    "catch_errors gatekeeper healthcheck listing_formats bulk s3api tempauth container-quotas"
    " slo dlo copy"
)
FOLDER_CONFIGURATION = """
[swift-hash]
swift_hash_path_suffix = kotta
swift_hash_path_prefix = kotta
[storage-policy:0]
name = one
default = yes
"""


def swift_python() -> Path | None:
    """The Python that has Swift, None if there is none: see docs/contributing.md."""
    named = os.environ.get("KOTTA_TEST_SWIFT")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = Path(named or cache / "kotta-tests" / "swift") / "bin" / "python"
    return found if found.exists() else None


class S3Server:
    """A server under test: start it, stop it, make buckets in it."""

    def __init__(self, folder: Path, python: Path) -> None:
        self._folder = folder
        self._python = python
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = itertools.count(1)
        self._ports = dict(zip(PARTS, _free_ports(len(PARTS)), strict=True))
        (folder / "disks" / "d1").mkdir(parents=True)
        (folder / "swift.conf").write_text(FOLDER_CONFIGURATION)
        for kind in PARTS:
            (folder / f"{kind}.conf").write_text(self._configuration(kind))
        self._make_rings()
        session = botocore.session.Session()
        session.set_credentials(ACCESS_KEY, SECRET_KEY)
        self.client: Any = session.create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=10,
                retries={"total_max_attempts": 1},
            ),
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['proxy']}"

    def start(self) -> None:
        for kind in PARTS:
            if kind not in self._processes:
                self._start(kind)
        wait_until(self._answers, timeout=60, what=self.log)

    def stop(self, *kinds: str) -> None:
        """Ends these of its processes; all, if none is named."""
        for kind in kinds or PARTS:
            process = self._processes.pop(kind, None)
            if process is not None:
                process.send_signal(signal.SIGKILL)
                process.wait()

    def new_bucket(self) -> str:
        name = f"kotta-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def environment(self, bucket: str) -> dict[str, str]:
        """What tells a service to keep its files there."""
        return {
            "KOTTA_SERVICE_STORAGE": f"s3://{bucket}/lab",
            "KOTTA_SERVICE_S3_ENDPOINT": self.url,
            "KOTTA_SERVICE_S3_REGION": "us-east-1",
            "KOTTA_SERVICE_S3_ACCESS_KEY_ID": ACCESS_KEY,
            "KOTTA_SERVICE_S3_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def limit(self, bucket: str, size_bytes: int | None) -> None:
        """Lets a bucket hold no more than so much."""
        program = Path(__file__).with_name("swift_quota.py")
        words = [self._folder, bucket, "" if size_bytes is None else str(size_bytes)]
        subprocess.run([self._python, program, *words], check=True, env=self._environment)

    def keys(self, bucket: str) -> list[str]:
        found = self.client.list_objects_v2(Bucket=bucket)
        return [each["Key"] for each in found.get("Contents", [])]

    def log(self) -> str:
        logs = [self._folder / f"{kind}.log" for kind in PARTS]
        return "\n".join(log.read_text()[-2000:] for log in logs if log.exists())

    def _configuration(self, kind: str) -> str:
        values = {
            "port": self._ports[kind],
            "user": getpass.getuser(),
            "folder": self._folder,
            "kind": kind,
            "secret": SECRET_KEY,
            "pipeline": FILTERS,
        }
        if kind != "proxy":
            return PART.format(**values)
        own = ("s3api", "tempauth")
        filters = [
            f"[filter:{each}]\nuse = egg:swift#{each.replace('-', '_')}\n"
            for each in FILTERS.split()
        ]
        plain = [
            text for text, each in zip(filters, FILTERS.split(), strict=True) if each not in own
        ]
        return PROXY.format(**values) + "".join(plain)

    def _make_rings(self) -> None:
        program = Path(__file__).with_name("swift_rings.py")
        ports = [f"{kind}={self._ports[kind]}" for kind in PARTS[:-1]]
        command = [self._python, program, self._folder, *ports]
        subprocess.run(command, check=True, env=self._environment)

    def _start(self, kind: str) -> None:
        program = Path(__file__).with_name("swift_part.py")
        with open(self._folder / f"{kind}.log", "ab") as log:
            self._processes[kind] = subprocess.Popen(
                [self._python, program, self._folder, kind],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment,
            )

    def _answers(self) -> bool:
        with contextlib.suppress(BotoCoreError, ClientError):
            # the proxy is up before what stands behind it
            with contextlib.suppress(self.client.exceptions.BucketAlreadyOwnedByYou):
                self.client.create_bucket(Bucket="ready")
            self.client.put_object(Bucket="ready", Key="ready", Body=b"")
            return True
        return False

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder)}


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server until the end of the block; the test is skipped where Swift is not installed."""
    python = swift_python()
    if python is None:
        pytest.skip("OpenStack Swift is not installed: see docs/contributing.md")
    folder = Path(tempfile.mkdtemp(prefix="kotta-s3-"))
    server = None
    try:
        server = S3Server(folder, python)
        server.start()
        yield server
    finally:
        if server is not None:
            server.client.close()
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found.append(probe.getsockname()[1])
        return found
