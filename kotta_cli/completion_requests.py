"""Answers `kotta __complete KIND PREFIX [WORDS...]`: what may stand where the cursor is.

WORDS are those between `kotta` and the cursor; bash, which cuts words its own way, gives its line
instead: `KIND --line LINE CURRENT`. One candidate a line, a tab before its description. No network,
no heavy import and no error: a shell that completes must not be kept waiting or written to.
"""

from __future__ import annotations

import os

from kotta_cli.completion_cache import Remembered, array_name, cache_path, read
from kotta_cli.completion_context import profiles, service_of
from kotta_cli.completion_line import Line

Candidates = list[tuple[str, str]]
"""Values and what they are."""

SETS = {
    "@failed": "all that failed",
    "@open": "all that have not ended",
    "@completed": "all that completed",
    "@cancelled": "all that were cancelled",
    "@pending": "all that wait",
    "@active": "all that run",
}
SETTINGS = ("profile", "queue", "walltime", "list.fields", "list.limit")
IN_PROFILE = ("server", "queue", "walltime")
"""As `kotta.settings` has them, which takes longer to import. A test compares them."""

_ENDED = ("completed", "failed", "cancelled")
_SHORT_ID = 8


def answer(arguments: list[str]) -> int:
    """Print the candidates; nothing for a kind that is not known."""
    kind, *rest = arguments or [""]
    make = _KINDS.get(kind)
    if make is None:
        return 0
    line = Line.typed(rest[1], rest[2]) if rest[:1] == ["--line"] else Line.of_words(rest)
    found = [(value, text) for value, text in make(line) if value.startswith(line.prefix)]
    lines = [f"{line.written(value)}\t{text}".rstrip("\t") for value, text in found]
    if lines:
        os.write(1, ("\n".join(lines) + "\n").encode("utf-8", "replace"))
    return 0


def _known(line: Line) -> Remembered:
    return read(cache_path(service_of(line.words)))


def _one_job(line: Line) -> Candidates:
    return _jobs(_known(line), line.prefix)


def _many_jobs(line: Line) -> Candidates:
    known = _known(line)
    return _jobs_and_arrays(known, line.prefix) + _sets(known, line.prefix)


def _active_jobs(line: Line) -> Candidates:
    known = _known(line)
    known.jobs = [job for job in known.jobs if job[2] not in _ENDED]
    sets = _sets(known, line.prefix)
    jobs = _jobs_and_arrays(known, line.prefix)
    return jobs + [pair for pair in sets if pair[0][1:] not in _ENDED]


def _jobs_and_arrays(known: Remembered, prefix: str) -> Candidates:
    """Where many jobs may stand: arrays by their names as well, before what is in them."""
    if not prefix or not known.arrays:
        return _jobs(known, prefix)
    called = {array_name(name) for _, _, _, name in known.jobs}
    arrays = [(name, "an array") for name in known.arrays if name in called]
    return arrays + _jobs(known, prefix)


def _jobs(known: Remembered, prefix: str) -> Candidates:
    found = {"@last": "the newest job"}
    for _, job_id, state, name in known.jobs:
        if job_id.startswith(prefix):
            # Whoever typed more than the short form wants the whole.
            is_short = len(prefix) <= _SHORT_ID
            found[job_id[:_SHORT_ID] if is_short else job_id] = f"{name}, {state}"
        if prefix and name.startswith(prefix):
            found.setdefault(name, state)
    return list(found.items())


def _sets(known: Remembered, prefix: str) -> Candidates:
    """Words for many jobs; those that are seldom meant come once they have begun."""
    if prefix.startswith("@"):
        return list(SETS.items())
    found = [("@failed", SETS["@failed"])] if not prefix else []
    if prefix:
        found += [(f"tag={tag}", "all that are tagged so") for tag in known.tags]
    return found


def _job_then_outputs(line: Line) -> Candidates:
    known = _known(line)
    for word in line.words[1:]:
        names = _outputs_of(known, word)
        if names is None and word in known.arrays:
            names = _outputs_within(known, word)
        if names is not None:
            return [(name, "") for name in names if name not in line.words]
    return _jobs_and_arrays(known, line.prefix)


def _job_and_output(line: Line) -> Candidates:
    """`JOB:FILE` in one word; a job's name may hold colons."""
    known = _known(line)
    for end in [at for at, char in enumerate(line.prefix) if char == ":"]:
        job = line.prefix[:end]
        if (names := _outputs_of(known, job)) is not None:
            return [(f"{job}:{name}", "") for name in names]
    return [(f"{value}:", text) for value, text in _jobs(known, line.prefix)]


def _outputs_of(known: Remembered, selector: str) -> list[str] | None:
    """The outputs of the job that is meant; None if it is none that is known."""
    if not selector or selector.startswith("-"):
        return None
    place = 1 if selector == "@last" else int(selector[1:]) if selector[1:].isdigit() else 0
    if selector.startswith("@"):
        found = [job[1] for job in known.jobs[place - 1 : place]] if place else []
    else:
        found = [job[1] for job in known.jobs if job[3] == selector]
        found = found or [job[1] for job in known.jobs if job[1].startswith(selector)]
    return known.outputs.get(found[0], []) if found else None


def _outputs_within(known: Remembered, array: str) -> list[str]:
    """Those of an array's jobs whose outputs are known, each name once."""
    of_jobs = [known.outputs.get(job[1], []) for job in known.jobs if array_name(job[3]) == array]
    return list(dict.fromkeys(name for names in of_jobs for name in names))


def _queues(line: Line) -> Candidates:
    return [(name, "") for name in _known(line).queues]


def _tags(line: Line) -> Candidates:
    return [(tag, "") for tag in _known(line).tags]


def _profiles(_: Line) -> Candidates:
    return [(name, "") for name in profiles()]


def _keys(_: Line) -> Candidates:
    below = [f"profiles.{name}.{key}" for name in profiles() for key in IN_PROFILE]
    return [(key, "") for key in (*SETTINGS, *below)]


def _key_then_value(line: Line) -> Candidates:
    key = line.words[-1] if line.words else ""
    if key == "profile":
        return _profiles(line)
    if key == "queue" or (key.startswith("profiles.") and key.endswith(".queue")):
        return _queues(line)
    return [] if key in SETTINGS or key.startswith("profiles.") else _keys(line)


_KINDS = {
    "job": _one_job,
    "jobs": _many_jobs,
    "active-jobs": _active_jobs,
    "job-then-outputs": _job_then_outputs,
    "job-and-output": _job_and_output,
    "queues": _queues,
    "tags": _tags,
    "profiles": _profiles,
    "keys": _keys,
    "key-then-value": _key_then_value,
}
