"""What staging in and staging out have in common: how they fail, and how they enter a folder."""

from __future__ import annotations

import os


class StagingError(Exception):
    """An input could not be brought, or an output could not be kept; says which, and why."""


def opened_folder(path: str) -> int:
    """A descriptor of a directory itself, never of what a link in its place leads to.

    Raises:
        OSError: there is no directory of that name.
    """
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
