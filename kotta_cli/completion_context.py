"""Which service a command line that is being typed means, and which profiles there are.

As `kotta.config` has it, from the heads of lines alone: a TOML parser takes as long to import as
Python takes to start. Where somebody writes TOML in an unusual way, Tab offers less.
"""

from __future__ import annotations

import os

from kotta import project_file
from kotta_cli.completion_cache import config_path, service_key


def service_of(words: list[str]) -> str:
    """The key of the service that is meant by a command line's words, or else by the settings."""
    server = _option(words, ("--server",))
    profile = _option(words, ("--profile", "-p"))
    if server:
        return service_key(None, server)
    if not profile and (server := os.environ.get("KOTTA_SERVER", "")):
        return service_key(None, server)
    profile = profile or os.environ.get("KOTTA_PROFILE", "") or _project_profile()
    return service_key(profile or _profile_in(config_path()), "")


def profiles() -> list[str]:
    """Names of the user's profiles."""
    prefix = "[profiles."
    heads = [line for line in _lines(config_path()) if line.startswith(prefix)]
    found = []
    for head in heads:
        name = head[len(prefix) :].partition("]")[0].strip()
        quote = name[:1]
        found.append(name[1:].partition(quote)[0] if quote in ("'", '"') else name)
    return [name for name in dict.fromkeys(found) if name]


def _option(words: list[str], names: tuple[str, ...]) -> str:
    for place, word in enumerate(words):
        if not word.startswith("-"):
            break  # the command: what comes after it is its own
        for name in names:
            if word == name:
                return words[place + 1] if place + 1 < len(words) else ""
            if word.startswith(f"{name}=") or (len(name) == 2 and word.startswith(name)):
                return word[len(name) :].lstrip("=")
    return ""


def _project_profile() -> str:
    path = project_file.find()
    return _profile_in(path) if path and not project_file.reason_to_ignore(path) else ""


def _profile_in(path: str) -> str:
    for line in _lines(path):
        if line.startswith("["):
            break
        key, _, value = line.partition("=")
        value = value.strip()
        if key.strip() == "profile" and value[:1] in ("'", '"'):
            return value[1:].partition(value[0])[0]
    return ""


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file]
    except OSError:
        return []
