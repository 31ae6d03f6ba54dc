"""Lets a person edit a file of settings: a copy, which is checked before it takes its place."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from kotta.config_files import refusal, understand
from kotta.config_writing import replace
from kotta.errors import ConfigError

if TYPE_CHECKING:
    from kotta_cli.context import App

_NEW = """\
# Settings of kotta; `kotta config list` shows them all.
#
# profile = "lab"
# queue = "Test"
# walltime = 60
#
# [list]
# fields = ["id", "name", "status", "elapsed"]
# limit = 20
"""
_NEW_PROFILE = """\
#
# [profiles.lab]
# server = "https://kotta.example.org"
"""
_EDITORS = ("sensible-editor", "nano", "vi")


class Edit(Enum):
    """How editing a file ended."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    GIVEN_UP = "given up"


def edit_file(app: App, path: Path, *, is_project: bool) -> Edit:
    """Edit until the file makes sense or the person gives up.

    Raises:
        ConfigError: there is no editor, it fails, or nobody can be asked to correct what is wrong.
    """
    before = _content(path, is_project=is_project)
    with tempfile.TemporaryDirectory(prefix="kotta-") as folder:
        # the editor sees the name's ending, and nobody else the copy
        copy = Path(folder, path.name)
        copy.write_bytes(before)
        while True:
            _run_editor(copy)
            after = copy.read_bytes()
            if after == before:
                if not app.as_json:
                    app.note("Nothing was changed.")
                return Edit.UNCHANGED
            _, problems = understand(after, is_project=is_project)
            if not problems:
                break
            error = refusal(path, problems)
            if not app.can_ask:
                raise error
            app.note("\n".join([error.message, *([error.hint] if error.hint else [])]))
            if not app.ask("Edit it again? (y/N) "):
                app.note(f"{path} is as it was.")
                return Edit.GIVEN_UP
        replace(path, after, is_project=is_project)
    return Edit.CHANGED


def _content(path: Path, *, is_project: bool) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return (_NEW if is_project else _NEW + _NEW_PROFILE).encode()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _run_editor(copy: Path) -> None:
    asked = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    try:
        words = shlex.split(asked) if asked else _first_editor()
        done = subprocess.run([*words, str(copy)], check=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the editor `{asked}` cannot be started: {error}",
            hint="set EDITOR, such as EDITOR=nano",
        ) from error
    if done.returncode:
        raise ConfigError(f"the editor ended with exit code {done.returncode}; nothing was changed")


def _first_editor() -> list[str]:
    for name in _EDITORS:
        if found := shutil.which(name):
            return [found]
    raise ConfigError("there is no editor", hint="set EDITOR, such as EDITOR=nano")
