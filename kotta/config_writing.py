"""Changes the files that settings stand in; comments and order stay as they are.

Apart from what reads them, because tomlkit is imported here and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from kotta import paths, settings
from kotta.config_files import SettingsFile, read, refusal, understand
from kotta.errors import ConfigError


def set_value(path: Path, name: str, value: Any, *, is_project: bool = False) -> None:
    """Writes one setting; on return it is on disk, and a reader has seen the old file or the new.

    Raises:
        ConfigError: the file cannot be understood or written, or the value is none for it.
    """
    place = settings.path_of(name)

    def change(document: Any) -> None:
        table = document
        for depth, key in enumerate(place[:-1]):
            if key not in table:
                # of `profiles` only the tables below it are written
                is_super = depth == 0 and len(place) == 3
                table[key] = tomlkit.table(is_super_table=is_super)
            table = table[key]
        table[place[-1]] = value

    _change(path, change, is_project=is_project)


def unset_value(path: Path, name: str, *, is_project: bool = False) -> bool:
    """Removes one setting, or a whole profile; whether it was there.

    Raises:
        ConfigError: the file cannot be understood or written.
    """
    found = read(path, is_project=is_project)
    place = None if found is None else _place_in(found, name)
    if place is None:
        return False

    def change(document: Any) -> None:
        tables = [document]
        for key in place[:-1]:
            tables.append(tables[-1][key])
        del tables[-1][place[-1]]
        if len(tables) == 2 and not tables[-1]:
            del document[place[0]]

    _change(path, change, is_project=is_project)
    return True


def _place_in(found: SettingsFile, name: str) -> tuple[str, ...] | None:
    whole = (settings.PROFILES, name.removeprefix(f"{settings.PROFILES}."))
    for place in (settings.path_of(name), whole):
        if any(known[: len(place)] == place for known in found.values):
            return place
    return None


def replace(path: Path, content: bytes, *, is_project: bool = False) -> None:
    """Gives a file new content, at once and for this user alone.

    Raises:
        ConfigError: the content makes no sense, or it cannot be written; the file is as it was.
    """
    _, problems = understand(content, is_project=is_project)
    if problems:
        raise refusal(path, problems)
    # a link stays one: people keep such files elsewhere
    target = Path(os.path.realpath(path))
    try:
        if not is_project:
            paths.make_private(target.parent)
        # others on a project read its file; one's own is nobody else's business
        paths.write_at_once(target, content, mode=0o644 if is_project else 0o600)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _change(path: Path, change: Any, *, is_project: bool) -> None:
    with _alone(path, is_project=is_project):
        try:
            document = tomlkit.parse(path.read_bytes())
        except FileNotFoundError:
            document = tomlkit.document()
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except (TOMLKitError, UnicodeDecodeError):
            read(path, is_project=is_project)  # says where
            raise
        try:
            change(document)
        except (TypeError, TOMLKitError) as error:
            read(path, is_project=is_project)
            raise ConfigError(f"{path}: {error}", hint="kotta config edit") from error
        replace(path, tomlkit.dumps(document).encode(), is_project=is_project)


@contextlib.contextmanager
def _alone(path: Path, *, is_project: bool) -> Iterator[None]:
    """Two that change a file at once do so one after the other, and neither change is lost."""
    folder = Path(os.path.realpath(path)).parent
    try:
        if not is_project:
            paths.make_private(folder)
        descriptor = _locked(folder)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds a lock on a folder until it is closed, None where there are none."""
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor
