"""`--json FIELDS`: which fields of what a command prints are wanted.

Whether the word after `--json` names fields or is an argument is told by the words themselves: it
names fields if each of its parts is one. What could be either is written `--json=FIELDS`.
"""

from __future__ import annotations

from typing import Any

from kotta_cli.parameters import UsageProblem, nearest

# fmt: off
KNOWN = frozenset((
    "active_jobs", "address", "after", "array", "array_index", "attempt", "candidates",
    "cancel_requested_at", "change", "changed", "commands", "cpu_seconds", "cpus", "cpus_used",
    "description", "disk_bytes", "ended_at", "environments", "error", "exit_code", "fetch",
    "fetched", "id", "idle_stop_seconds", "inputs", "jobs", "jobtype", "key", "log_file",
    "max_walltime_minutes", "memory_bytes", "memory_mib", "memory_used_mib", "name", "origin",
    "outputs", "peak_memory_bytes", "pending", "pending_jobs", "pid", "processing_seconds", "queue",
    "reason", "reasons", "result", "running", "samples", "seconds", "service", "signal",
    "size_bytes", "staging_inputs_seconds", "staging_outputs_seconds", "started_at", "status",
    "stderr", "submitted_at", "tags", "timeline", "user_email", "value", "version",
    "waits_for", "walltime_seconds",
))
# fmt: on
"""Names of fields that commands print; plain words, as models take long to import."""


def split(arguments: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The command line with a bare `--json`, and the fields that it named."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for place, word in enumerate(arguments[:end]):
        if word.startswith("--json="):
            return _with(arguments, place, place + 1, word.removeprefix("--json="))
        if word == "--json" and place + 1 < end and _names_fields(arguments[place + 1]):
            return _with(arguments, place, place + 2, arguments[place + 1])
    return arguments, ()


def chosen(value: Any, fields: tuple[str, ...]) -> Any:
    """An object with these fields alone, or each object of a list so.

    Raises:
        UsageProblem: an object has no such field.
    """
    if not fields:
        return value
    if isinstance(value, list):
        return [chosen(item, fields) for item in value]
    for name in fields:
        if name not in value:
            near = nearest(name, list(value))
            hint = f"did you mean `{near}`?" if near else "one of: " + ", ".join(value)
            raise UsageProblem(f"what this prints has no field `{name}`", hint=hint)
    return {name: value[name] for name in fields}


def _names_fields(word: str) -> bool:
    return all(part in KNOWN for part in word.split(","))


def _with(
    arguments: list[str], start: int, stop: int, text: str
) -> tuple[list[str], tuple[str, ...]]:
    fields = tuple(part.strip() for part in text.split(",") if part.strip())
    return [*arguments[:start], "--json", *arguments[stop:]], fields
