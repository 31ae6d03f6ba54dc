"""Accounts of this machine for tests of isolation, and folders that those can enter."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

_NUMBERS = count()


def need(what: str, is_there: bool) -> None:
    """Skips a test for want of something; see `conftest.py`."""
    if not is_there:
        pytest.skip(f"needs {what}")


@contextlib.contextmanager
def accounts(wanted: int) -> Iterator[list[pwd.struct_passwd]]:
    """So many accounts of this test run's own, which are removed after it."""
    need("root", os.geteuid() == 0)
    need("useradd", shutil.which("useradd") is not None)
    names = [f"kotta-t{os.getpid()}-{number}" for number in islice(_NUMBERS, wanted)]
    try:
        for name in names:
            subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
        yield [pwd.getpwnam(name) for name in names]
    finally:
        for name in names:
            subprocess.run(["userdel", name], check=False, capture_output=True)


@contextlib.contextmanager
def passable_folder() -> Iterator[Path]:
    """A folder that others can pass through, which a test's own is not; its path is short."""
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


def open_python() -> str:
    """A Python that every account can run: that of the tests may lie in somebody's home."""
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        if os.path.exists(path) and all(
            folder.stat().st_mode & 0o001 for folder in Path(path).parents
        ):
            return path
    need("a Python that all accounts can run", False)
    raise AssertionError
