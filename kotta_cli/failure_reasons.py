"""Why a job failed, and the command that would do better."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from kotta_cli.explaining import sentence
from kotta_cli.render.states import signal_name
from kotta_cli.render.times import duration, size

if TYPE_CHECKING:
    from kotta import Kotta
    from kotta.models import JobDetail, Queue
    from kotta_cli.explaining import Explanation

MAX_LINES = 10
_KILLED, _SHELL_KILLED = 9, 137
_SHELL_CODES = {
    126: "its command is not executable",
    127: "its command was not found",
    _SHELL_KILLED: "something in its command was ended by signal 9 (SIGKILL)",
    139: "something in its command was ended by signal 11 (SIGSEGV)",
    143: "something in its command was ended by signal 15 (SIGTERM)",
}
"""Source: POSIX shell command language, 2.8.2: exit status for commands."""
_NEARLY_ALL = 0.9
_SOME_MORE = 1.25
"""How much more to ask for than what was used when it ended."""
_NO_WORD = "what ran this job is gone without a word"
"""How the service says that it knows no more."""
_GONE = re.compile(r"HTTP 4\d\d")


def tell_why_it_failed(found: Explanation, client: Kotta, job: JobDetail) -> None:
    """Add what is known, the last lines of its output, and what to type."""
    name, reason = job.id[:8], job.reason.value if job.reason else ""
    again = f"kotta rerun {name}"
    if reason == "staging":
        _not_staged(found, job, again)
        return
    if reason == "walltime":
        found.sentences.append(
            f"It ran longer than its walltime of {duration(job.walltime_seconds)}, and was ended."
        )
        again += _more_time(found, client, job)
    elif reason == "lost":
        known = "" if job.error.startswith(_NO_WORD) else sentence(job.error)
        found.sentences.append(
            known or "What ran it is gone without a word: it was killed, or its machine went down."
        )
        if job.started_at is None:
            found.sentences.append("Its command was not started.")
        else:
            found.sentences.append("The job may have done part of its work.")
            again += f" --retries {max(2, job.attempt + 1)}"
    elif job.signal is not None:
        found.sentences.append(f"Its command was ended by signal {signal_name(job.signal)}.")
    elif job.error:
        found.sentences.append(sentence(job.error))
    else:
        words = _SHELL_CODES.get(job.exit_code or 0, "its command ended by itself")
        found.sentences.append(f"{words[:1].upper()}{words[1:]}: exit code {job.exit_code}.")
    again += _more_memory(found, client, job)
    _last_lines(found, client, job)
    if job.attempt:
        found.commands.append(f"kotta logs {name}")
    # what changes something comes first
    found.commands.insert(0 if " --" in again else len(found.commands), again)


def _not_staged(found: Explanation, job: JobDetail, again: str) -> None:
    found.sentences.append(sentence(job.error or "a file could not be brought or kept"))
    if job.started_at is None and job.error.startswith("input "):
        found.sentences.append("Its command was not started.")
        other = f"{again} --set inputs=URL"
        is_gone = _GONE.search(job.error) is not None
        found.commands += [other, again] if is_gone else [again, other]
    else:
        found.commands += [again, f"kotta logs {job.id[:8]}"]


def _more_time(found: Explanation, client: Kotta, job: JobDetail) -> str:
    minutes = max(1, math.ceil(job.walltime_seconds / 60 * 2))
    queue = _queue(client, job)
    if queue is not None and minutes > queue.max_walltime_minutes:
        minutes = queue.max_walltime_minutes
        if minutes * 60 <= job.walltime_seconds:
            found.sentences.append(f"Queue {queue.name} allows no more.")
            return ""
    return f" --walltime {minutes}"


def _more_memory(found: Explanation, client: Kotta, job: JobDetail) -> str:
    """Says what it used where that may be the reason, and the option that asks for more."""
    killed = job.signal == _KILLED or job.exit_code == _SHELL_KILLED
    asked = job.memory_mib << 20
    used = job.peak_memory_bytes
    was_ended = job.reason is not None and job.reason.value == "memory"
    is_near = was_ended or (used is not None and used > _NEARLY_ALL * asked)
    if killed:
        found.sentences.append("Where memory runs out, the system ends a program like that.")
    if used is not None and not was_ended and (killed or is_near):
        found.sentences.append(
            f"It used up to {size(used)} of memory, and asked for {size(asked)}."
        )
    if not killed and not is_near:
        return ""
    mib = max(job.memory_mib * 2, math.ceil((used or 0) * _SOME_MORE / (1 << 20)))
    queue = _queue(client, job)
    if queue is not None and mib > queue.memory_mib:
        mib = queue.memory_mib
        if mib <= job.memory_mib:
            return ""
    return f" --memory {mib}MiB"


def _queue(client: Kotta, job: JobDetail) -> Queue | None:
    return next((queue for queue in client.queues() if queue.name == job.queue), None)


def _last_lines(found: Explanation, client: Kotta, job: JobDetail) -> None:
    """The last lines of stderr, of stdout where there are none."""
    if not job.attempt:
        return
    for stream in ("stderr", "stdout"):
        text = b"".join(client.logs(job, stream, tail=MAX_LINES))
        lines = [line.rstrip() for line in text.decode("utf-8", "replace").splitlines()]
        if any(lines):
            found.stream, found.lines = stream, lines[-MAX_LINES:]
            return
