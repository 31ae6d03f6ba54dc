"""Answers `kotta __complete KIND PREFIX`: names of jobs and queues, for the completion scripts.

One candidate a line, a tab before its description. No network, no heavy import and no error: a
shell that completes must not be kept waiting or written to.
"""

from __future__ import annotations

import os

from kotta_cli.completion_cache import cache_path, config_path, read

_ENDED = ("completed", "failed", "cancelled")


def answer(arguments: list[str]) -> int:
    """Print the candidates for `KIND [PREFIX]`; nothing for a kind that is not known."""
    kind = arguments[0] if arguments else ""
    prefix = arguments[1] if len(arguments) > 1 else ""
    candidates = {
        "jobs": _jobs,
        "active-jobs": _active_jobs,
        "queues": _queues,
        "profiles": _profiles,
    }.get(kind)
    if candidates is None:
        return 0
    lines = (f"{value}\t{text}" if text else value for value, text in candidates(prefix))
    text = "\n".join(lines)
    if text:
        os.write(1, (text + "\n").encode("utf-8", "replace"))
    return 0


def _jobs(prefix: str, *, ended: bool = True) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    if "@last".startswith(prefix):
        found["@last"] = "the newest job"
    for _, job_id, state, name in read(cache_path())[0]:
        if not ended and state in _ENDED:
            continue
        if job_id.startswith(prefix):
            # Whoever typed more than the short form wants the whole.
            found[job_id if len(prefix) > 8 else job_id[:8]] = f"{name}, {state}"
        if prefix and name.startswith(prefix):
            found.setdefault(name, state)
    return list(found.items())


def _active_jobs(prefix: str) -> list[tuple[str, str]]:
    return _jobs(prefix, ended=False)


def _queues(prefix: str) -> list[tuple[str, str]]:
    return [(name, "") for name in read(cache_path())[1] if name.startswith(prefix)]


def _profiles(prefix: str) -> list[tuple[str, str]]:
    names = []
    try:
        with open(config_path(), encoding="utf-8", errors="replace") as file:
            for line in file:
                # Only the heads of tables matter, and a TOML parser would take too long to import.
                head = line.strip()
                if head.startswith("[profiles.") and head.endswith("]"):
                    names.append(head[len("[profiles.") : -1].strip("\"' "))
    except OSError:
        return []
    return [(name, "") for name in names if name.startswith(prefix)]
