"""Programs that tests start beside the command itself."""

from __future__ import annotations

import shutil

import pytest


def needed(name: str) -> str:
    """The path of a program; a test that lacks it is skipped, see `conftest.py`."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path
