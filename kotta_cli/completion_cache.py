"""What the shell completes from: what this user's commands have seen lately, in a small file.

Ordinary commands write it (`kotta_cli.remembering`), `kotta __complete` reads it; so completion
asks no service. It is plain tab-separated text, and this module imports next to nothing, because
reading JSON would take as long as starting Python.
"""

from __future__ import annotations

import os
import sys

JobLine = tuple[str, str, str, str]
"""Submission time (seconds since 1970), job id, state, name."""


class Remembered:
    """What is known of one service.

    Attributes:
        jobs: the newest first.
        arrays: names of arrays that have jobs among these.
        tags: the ones seen last first.
        outputs: names of the files that a job declared, by its id.
    """

    def __init__(self) -> None:
        self.jobs: list[JobLine] = []
        self.arrays: list[str] = []
        self.queues: list[str] = []
        self.tags: list[str] = []
        self.outputs: dict[str, list[str]] = {}


def service_key(profile: str | None, address: str) -> str:
    """What a service is called here, so that one's jobs are never offered for another."""
    if profile:
        return f"@{profile}"
    return "local" if address in ("", "local") else address.rstrip("/")


def cache_path(service: str = "local") -> str:
    """The file for one service, by its `service_key`."""
    name = "".join(
        char if char.isascii() and (char.isalnum() or char in "@.-") else f"_{ord(char):x}"
        for char in service
    )
    return os.path.join(_cache_directory(), f"completion-{name[:200]}.tsv")


def read(path: str) -> Remembered:
    """What was remembered; nothing where there is no file."""
    found = Remembered()
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                kind, *fields = line.rstrip("\n").split("\t")
                if kind == "job" and len(fields) == 4:
                    found.jobs.append((fields[0], fields[1], fields[2], fields[3]))
                elif kind == "array" and fields:
                    found.arrays.append(fields[0])
                elif kind == "queue" and fields:
                    found.queues.append(fields[0])
                elif kind == "tag" and fields:
                    found.tags.append(fields[0])
                elif kind == "output" and len(fields) == 2:
                    found.outputs.setdefault(fields[0], []).append(fields[1])
    except OSError:
        pass
    return found


def array_name(job_name: str) -> str:
    """What an array is called of which a job is called so: `fit` for `fit[3]`."""
    return job_name.rpartition("[")[0]


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
