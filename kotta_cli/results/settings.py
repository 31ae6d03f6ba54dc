"""Shapes of settings and of what is installed here."""

from __future__ import annotations

from typing import Any

# pydantic reads no other before Python 3.12
from typing_extensions import TypedDict


class Setting(TypedDict):
    """A setting as it counts here.

    Attributes:
        value: text, a number or a list; null where it has none.
        origin: who says so: a variable, a file, or `default`.
    """

    key: str
    value: Any
    origin: str


class SettingsFile(TypedDict):
    """Where settings are written to.

    Attributes:
        path: absolute path of the file, there or not.
    """

    path: str


class EditedFile(TypedDict):
    """A settings file that was edited.

    Attributes:
        path: absolute path of the file.
        changed: false if it is as it was.
    """

    path: str
    changed: bool


class CompletionScript(TypedDict):
    """The script that teaches a shell about kotta.

    Attributes:
        shell: `bash`, `zsh` or `fish`.
        text: the script.
    """

    shell: str
    text: str


class CompletionState(TypedDict):
    """Where the completion of a shell is installed, or was.

    Attributes:
        shell: `bash`, `zsh` or `fish`.
        script: path of the script.
        rc_file: path of the shell's start-up file, null where none is needed.
        changed: whether anything had to be done.
    """

    shell: str
    script: str
    rc_file: str | None
    changed: bool


class Finding(TypedDict):
    """What `kotta doctor` found out about one thing.

    Attributes:
        check: what was looked at, such as `disk`; one may have several findings.
        state: `ok`, `note` or `problem`.
        text: what is so; may have several lines.
        advice: what to do about it, or "".
    """

    check: str
    state: str
    text: str
    advice: str
