"""Why a job is where it is, in sentences: what `kotta why` says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from kotta.models import JobState
from kotta_cli.render.states import signal_name
from kotta_cli.render.times import ago, duration, size

if TYPE_CHECKING:
    from kotta import Kotta
    from kotta.models import JobDetail, Place

MAX_LINES = 10
LOG_BYTES = 4096
MAX_SHOWN = 3
_SHELL_CODES = {
    126: "its command is not executable",
    127: "its command was not found",
    137: "its command was killed, as is done where memory runs out",
    143: "its command was ended by SIGTERM",
}
"""Source: POSIX shell command language, 2.8.2: exit status for commands."""


@dataclass
class Explanation:
    """What is known of why a job is where it is.

    Attributes:
        sentences: what is the case, the most telling first.
        stderr: the last lines of its standard error.
        commands: what to type next, the most useful first.
    """

    sentences: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def shape(self) -> dict[str, Any]:
        return {"reasons": self.sentences, "stderr": self.stderr, "commands": self.commands}


def explain(client: Kotta, job: JobDetail) -> Explanation:
    """Asks the service what it takes to tell."""
    found = Explanation()
    match job.status:
        case JobState.PENDING:
            _pending(found, job, client.place(job))
        case JobState.FAILED:
            _failed(found, client, job)
        case JobState.CANCELLED:
            _cancelled(found, job)
        case JobState.COMPLETED:
            found.sentences.append("It completed: its command ended with exit code 0.")
            missing = [each.name for each in job.outputs if not each.available]
            if missing:
                found.sentences.append(f"It did not make {', '.join(missing)}.")
                found.commands.append(f"kotta logs {job.id[:8]}")
            found.commands.append(f"kotta fetch {job.id[:8]}")
        case _:
            _running(found, job)
    return found


def _pending(found: Explanation, job: JobDetail, place: Place) -> None:
    if place.needs:
        names = ", ".join(f"{each.id[:8]} ({each.name}: {each.status.value})"
                          for each in place.needs[:MAX_SHOWN])  # fmt: skip
        more = f" and {job.waits_for - MAX_SHOWN} more" if job.waits_for > MAX_SHOWN else ""
        found.sentences.append(f"It starts once {names}{more} have completed.")
        found.commands.append(f"kotta why {place.needs[0].id[:8]}")
        return
    queue = place.queue
    if place.position == 1:
        found.sentences.append(f"It is the next to start in queue {job.queue}.")
    else:
        found.sentences.append(
            f"It is number {place.position} of those that wait in queue {job.queue}."
        )
    head = place.next_up or job
    whose = "It" if place.next_up is None else f"The first of them, {head.id[:8]} ({head.name}),"
    free_cpus = max(0, queue.cpus - queue.cpus_used)
    free_mib = max(0, queue.memory_mib - queue.memory_used_mib)
    if place.head_lacks == "cpus":
        found.sentences.append(
            f"{whose} needs {head.cpus} of the queue's {queue.cpus} cores, and {free_cpus} "
            f"{'is' if free_cpus == 1 else 'are'} free."
        )
    elif place.head_lacks == "memory":
        found.sentences.append(
            f"{whose} needs {size(head.memory_mib << 20)} of the queue's "
            f"{size(queue.memory_mib << 20)}, and {size(free_mib << 20)} are free."
        )
    now = datetime.now(timezone.utc)
    for other in place.running[:MAX_SHOWN]:
        runs = ago(other.started_at, now) if other.started_at else "just now"
        found.sentences.append(
            f"{other.id[:8]} ({other.name}) has {other.cpus} of them, started {runs}, and may run "
            f"{duration(other.walltime_seconds)}."
        )
    found.commands.append("kotta queues")
    found.commands.append(f"kotta wait {job.id[:8]}")


def _running(found: Explanation, job: JobDetail) -> None:
    found.sentences.append(job.status.meaning)
    if job.started_at is not None:
        ran = (datetime.now(timezone.utc) - job.started_at).total_seconds()
        found.sentences.append(f"It has run {duration(ran)} of {duration(job.walltime_seconds)}.")
    if job.cancel_requested_at is not None:
        found.sentences.append("Its end has been asked for, and is being seen to.")
    found.commands.append(f"kotta logs -f {job.id[:8]}")


def _cancelled(found: Explanation, job: JobDetail) -> None:
    name = job.id[:8]
    if job.reason is not None and job.reason.value == "dependency":
        found.sentences.append(_sentence(job.error))
        words = job.error.split()
        if len(words) > 1:
            found.commands.append(f"kotta why {words[1][:8]}")
    else:
        found.sentences.append("Somebody cancelled it.")
    found.commands.append(f"kotta rerun {name}")


def _failed(found: Explanation, client: Kotta, job: JobDetail) -> None:
    name, reason = job.id[:8], job.reason.value if job.reason else ""
    more = f"kotta rerun {name}"
    if reason == "walltime":
        minutes = job.walltime_seconds / 60
        found.sentences.append(f"It ran longer than its walltime of {minutes:g} minutes.")
        more += f" --walltime {max(1, math.ceil(minutes * 2))}"
    elif reason == "lost":
        found.sentences.append("What ran it is gone without a word: killed, or its node went down.")
        more += " --retries 2"
    elif reason == "staging":
        found.sentences.append(_sentence(job.error or "a file could not be brought or kept"))
    elif job.signal is not None:
        found.sentences.append(f"Its command was ended by signal {signal_name(job.signal)}.")
        if job.signal == 9:
            found.sentences.append("That is what happens where memory runs out.")
            more += f" --memory {job.memory_mib * 2}MiB"
    else:
        _exited(found, job)
    if job.peak_memory_bytes and job.peak_memory_bytes > 0.9 * (job.memory_mib << 20):
        found.sentences.append(
            f"It used {size(job.peak_memory_bytes)} of memory, and asked for "
            f"{size(job.memory_mib << 20)}."
        )
    if job.attempt and reason != "staging":
        found.stderr = _last_lines(client, job)
        found.commands.append(f"kotta logs {name}")
    found.commands.append(more)


def _exited(found: Explanation, job: JobDetail) -> None:
    code = job.exit_code
    words = _SHELL_CODES.get(code or 0)
    if job.error:
        found.sentences.append(_sentence(job.error))
    elif words:
        found.sentences.append(f"{_sentence(words)[:-1]} (exit code {code}).")
    else:
        found.sentences.append(f"Its command ended with exit code {code}.")


def _last_lines(client: Kotta, job: JobDetail) -> list[str]:
    """The last lines of stderr, of stdout where there are none."""
    for stream in ("stderr", "stdout"):
        text = b""
        for chunk in client.logs(job, stream, tail=MAX_LINES):
            text = (text + chunk)[-LOG_BYTES:]
        lines = text.decode("utf-8", "replace").splitlines()
        if lines:
            return lines[-MAX_LINES:]
    return []


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}" + ("" if words.endswith(".") else ".")
