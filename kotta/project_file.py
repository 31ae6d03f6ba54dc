"""Finds a project's `kotta.toml`, and says whether it is to be believed.

Apart from what reads it, because every command looks for one and most find none; and without
pathlib, because the completion of shells looks too.
"""

from __future__ import annotations

import os
import stat
import sys

FILE_NAME = "kotta.toml"


def find(start: str | None = None) -> str | None:
    """The nearest `kotta.toml` at or above a directory, no further than the home directory.

    Args:
        start: where to begin; None: the current directory.
    """
    try:
        folder = os.path.realpath(start or os.getcwd())
    except OSError:
        return None  # the current directory has been removed
    home = os.path.realpath(os.path.expanduser("~"))
    while True:
        candidate = os.path.join(folder, FILE_NAME)
        if os.path.lexists(candidate):
            return candidate
        above = os.path.dirname(folder)
        if folder in (home, above):
            return None
        folder = above


def reason_to_ignore(path: str) -> str:
    """Why a project's file is not believed, "" if it is: it must be the user's own.

    Whoever can write it says where jobs go; in a shared folder that might be anybody.
    """
    if sys.platform == "win32":
        return ""
    try:
        found = os.stat(path)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "it is no file"
    if found.st_uid != os.getuid():
        return "it belongs to somebody else"
    return "everybody can write to it" if found.st_mode & stat.S_IWOTH else ""
