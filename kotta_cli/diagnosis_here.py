"""Checks of this machine and this user: what can be known without asking a service."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from kotta import config, paths, project_file
from kotta_cli.diagnosis import NOTE, OK, PROBLEM, Finding

if TYPE_CHECKING:
    from kotta_cli.context import App

_PACKAGES = ("pydantic", "httpx", "typer", "rich", "sqlalchemy", "fastapi", "uvicorn")
_LITTLE_BYTES, _FEW_BYTES = 100 << 20, 1 << 30
_VARIABLES = (
    *("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS", "LANG", "LC_ALL", "LC_CTYPE"),
    *("TMPDIR", "EDITOR", "VISUAL", "SHELL", "PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "UV_INDEX_URL", "PIP_INDEX_URL", "SLURM_JOB_ID"),
)


def version() -> Iterator[Finding]:
    """Of kotta, Python and what kotta stands on."""
    from importlib import metadata

    from kotta._version import __version__

    python = f"Python {sys.version.split()[0]} ({sys.executable})"
    yield Finding("version", OK, f"kotta {__version__}, {python}")
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} is missing")
    state = PROBLEM if any("missing" in words for words in found) else OK
    yield Finding("packages", state, ", ".join(found), "install kotta again" if state != OK else "")


def platform() -> Iterator[Finding]:
    """The system and its processor."""
    import platform as system

    yield Finding("platform", OK, f"{system.platform()}, {os.cpu_count()} processors")


def folders() -> Iterator[Finding]:
    """Those of this user: whose they are, and who else may use them."""
    known = {
        "settings in": paths.config_directory(),
        "data in": platformdirs.user_data_path("kotta"),
        "cache in": paths.cache_directory(),
    }
    for name, path in known.items():
        yield _folder(name, path)
    yield _folder("sockets in", paths.runtime_directory())


def disk() -> Iterator[Finding]:
    """Room where jobs and their files lie."""
    path = platformdirs.user_data_path("kotta")
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free
    state = PROBLEM if free < _LITTLE_BYTES else NOTE if free < _FEW_BYTES else OK
    advice = "make room, or set XDG_DATA_HOME to a folder with more" if state != OK else ""
    yield Finding("disk", state, f"{free / (1 << 30):.1f} GiB free in {path}", advice)


def settings(app: App) -> Iterator[Finding]:
    """The files of settings: whether they make sense, and what they are about."""
    own = config.config_file()
    if not os.path.lexists(own):
        yield Finding("settings", OK, f"no file of your own ({own})")
    else:
        yield _settings_file("settings", own, app)
    project = project_file.find()
    if project is None:
        return
    if words := project_file.reason_to_ignore(project):
        yield Finding("project", NOTE, f"{project} is ignored: {words}")
    else:
        yield _settings_file("project", Path(project), app)


def variables() -> Iterator[Finding]:
    """The names of those that have a say; their values are nobody's business."""
    wanted = {*_VARIABLES, *(name.lower() for name in _VARIABLES)}
    found = [
        name for name in sorted(os.environ) if name in wanted or name.startswith(("KOTTA_", "XDG_"))
    ]
    yield Finding("variables", OK, ", ".join(found) or "none that matter")


def terminal(app: App) -> Iterator[Finding]:
    """What stderr can show, as results may go to a pipe."""
    err = app.err
    if not err.is_tty:
        words = ["stderr is no terminal"]
    else:
        words = [os.environ.get("TERM", "no TERM"), f"{err.columns} columns"]
        words.append("lines can be redrawn" if err.is_smart else "lines cannot be redrawn")
    words.append(f"encoding {err.stream.encoding}")
    words.append("colours" if err.color else "no colours")
    if err.unicode:
        yield Finding("terminal", OK, ", ".join(words))
    else:
        advice = "LANG=C.UTF-8 draws signs and names as they are"
        yield Finding("terminal", NOTE, ", ".join(words), advice)


def completion() -> Iterator[Finding]:
    """Whether Tab completes in the user's shell."""
    from kotta_cli.completion_install import is_current, is_in_rc, is_installed, place_of

    shell = os.path.basename(os.environ.get("SHELL", ""))
    if shell not in ("bash", "zsh", "fish"):
        yield Finding("completion", NOTE, f"there is none for {shell or 'a shell without a name'}")
        return
    place = place_of(shell)
    advice = f"kotta completion install {shell}"
    if not is_installed(place):
        yield Finding("completion", NOTE, f"not installed for {shell}", advice)
    elif not is_current(place):
        yield Finding("completion", NOTE, f"of another version: {place.script}", advice)
    elif not (place.is_found or is_in_rc(place)):
        words = f"{shell} may not look at {place.script}"
        yield Finding("completion", NOTE, words, f"{advice} --rc")
    else:
        yield Finding("completion", OK, f"installed for {shell}: {place.script}")


def tools() -> Iterator[Finding]:
    """Programs that are of use, and can be done without."""
    if found := shutil.which("uv"):
        yield Finding("uv", OK, found)
    else:
        words = "not found: environments for `requirements` are made by pip, which takes longer"
        yield Finding("uv", NOTE, words)


def _folder(name: str, path: Path) -> Finding:
    try:
        found = path.stat()
    except FileNotFoundError:
        return Finding("folder", OK, f"{name} {path}: not made yet")
    except OSError as error:
        return Finding("folder", PROBLEM, f"{name} {path}: {error.strerror}")
    mode = stat.S_IMODE(found.st_mode)
    words = f"{name} {path}: mode {mode:04o}"
    if not stat.S_ISDIR(found.st_mode):
        return Finding("folder", PROBLEM, f"{words}, no folder", f"move {path} away")
    if sys.platform != "win32" and found.st_uid != os.getuid():
        words = f"{words}, belongs to user number {found.st_uid}"
        return Finding("folder", PROBLEM, words, f"sudo chown -R {os.getuid()} {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding("folder", PROBLEM, f"{words}, not writable", f"chmod u+rwx {path}")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        words = f"{words}, others can write to it"
        return Finding("folder", PROBLEM, words, f"chmod go-w {path}")
    return Finding("folder", OK, f"{words}, yours")


def _settings_file(name: str, path: Path, app: App) -> Finding:
    found = app.config.user if name == "settings" else app.config.project
    count = 0 if found is None else sum(value != {} for value in found.values.values())
    words = f"{path}: makes sense, sets {count}"
    if found is not None and found.profiles:
        words += f", profiles {', '.join(found.profiles)}"
    if sys.platform != "win32" and path.stat().st_mode & stat.S_IWOTH:
        advice = f"chmod o-w {path}"
        return Finding(name, PROBLEM, f"{words}; everybody can write to it", advice)
    return Finding(name, OK, words)
