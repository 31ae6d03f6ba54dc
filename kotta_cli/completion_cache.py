"""What the shell completes from: the newest jobs this user has seen, in a small file.

Ordinary commands write it (`kotta_cli.remembering`), `kotta __complete` reads it; so completion
asks no service. It is plain tab-separated text, and this module imports next to nothing, because
reading JSON would take as long as starting Python.
"""

from __future__ import annotations

import os
import sys

JobLine = tuple[str, str, str, str]
"""Submission time (seconds since 1970), job id, state, name."""


def cache_path(service: str | None = None) -> str:
    """The file for one service, by its profile's name or address; None: as the environment says."""
    service = service or os.environ.get("KOTTA_PROFILE") or os.environ.get("KOTTA_SERVER")
    # One file a service, so that one's jobs are never offered for another.
    name = "".join(char if char.isalnum() else "-" for char in service or "local")[:80]
    return os.path.join(_cache_directory(), f"completion-{name}.tsv")


def read(path: str) -> tuple[list[JobLine], list[str]]:
    """The remembered jobs, newest first, and queue names; both empty where there is no file."""
    jobs: list[JobLine] = []
    queues: list[str] = []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                kind, *fields = line.rstrip("\n").split("\t")
                if kind == "job" and len(fields) == 4:
                    jobs.append((fields[0], fields[1], fields[2], fields[3]))
                elif kind == "queue" and fields:
                    queues.append(fields[0])
    except OSError:
        pass
    return jobs, queues


def config_path() -> str:
    """The file that profiles are written in."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.path.join(_windows_directory(home), "config.toml")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "kotta", "config.toml")
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return os.path.join(base, "kotta", "config.toml")


def _cache_directory() -> str:
    # As `kotta.paths` has it, without the import of platformdirs. A test compares them.
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.path.join(_windows_directory(home), "Cache")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "kotta")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "kotta")


def _windows_directory(home: str) -> str:
    base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    return os.path.join(base, "kotta", "kotta")
