"""Why a job is where it is, in sentences: what `kotta why` says.

Why one waits is told by `waiting_reasons`, why one failed by `failure_reasons`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from kotta.models import JobState
from kotta_cli.render.times import duration, so_far

if TYPE_CHECKING:
    from kotta import Kotta
    from kotta.models import JobDetail

_NEEDED = re.compile(r"job ([0-9a-f]{8})[0-9a-f-]{28} ")


@dataclass
class Explanation:
    """What is known of why a job is where it is.

    Attributes:
        sentences: what is the case, the most telling first.
        stream: which of the job's streams `lines` are from, `stderr` or `stdout`.
        lines: the last lines of that stream.
        commands: what to type next, the most useful first.
    """

    sentences: list[str] = field(default_factory=list)
    stream: str = "stderr"
    lines: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def shape(self) -> dict[str, Any]:
        return {
            "reasons": self.sentences,
            "stderr": self.lines if self.stream == "stderr" else [],
            "stdout": self.lines if self.stream == "stdout" else [],
            "commands": self.commands,
        }


def explain(client: Kotta, job: JobDetail) -> Explanation:
    """Asks the service what it takes to tell."""
    found = Explanation()
    match job.status:
        case JobState.PENDING:
            from kotta_cli.waiting_reasons import tell_why_it_waits

            later = tell_why_it_waits(found, client, job)
            if later is not None:
                return explain(client, later)
        case JobState.FAILED:
            from kotta_cli.failure_reasons import tell_why_it_failed

            tell_why_it_failed(found, client, job)
        case JobState.CANCELLED:
            _cancelled(found, job)
        case JobState.COMPLETED:
            _completed(found, job)
        case _:
            _running(found, job)
    _storage(found, client, job)
    return found


def sentence(words: str) -> str:
    """Words with a capital first and a full stop."""
    return f"{words[:1].upper()}{words[1:]}" + ("" if words.endswith((".", "!", "?")) else ".")


def _completed(found: Explanation, job: JobDetail) -> None:
    found.sentences.append("It completed: its command ended with exit code 0.")
    missing = [output.name for output in job.outputs if not output.available]
    if missing:
        found.sentences.append(f"Of what it declared, it did not make {', '.join(missing)}.")
        found.commands.append(f"kotta logs {job.id[:8]}")
    found.commands.append(f"kotta fetch {job.id[:8]}")


def _running(found: Explanation, job: JobDetail) -> None:
    found.sentences.append(job.status.meaning)
    if job.started_at is not None:
        ran = (datetime.now(timezone.utc) - job.started_at).total_seconds()
        found.sentences.append(
            f"It started {so_far(max(ran, 0))} ago, and may run {duration(job.walltime_seconds)}."
        )
    if job.cancel_requested_at is not None:
        found.sentences.append(
            "Its end has been asked for; what does not end by itself is ended after 30 s."
        )
        found.commands.append(f"kotta wait {job.id[:8]}")
    found.commands.append(f"kotta logs -f {job.id[:8]}")


def _storage(found: Explanation, client: Kotta, job: JobDetail) -> None:
    """Adds what keeps the service's storage from being used, if the job's files are in question."""
    is_unstaged = job.reason is not None and job.reason.value == "staging"
    if job.status.is_terminal and not is_unstaged:
        return
    if problem := client.service().storage_problem:
        found.sentences.append(
            sentence(f"the service's storage cannot be used at present: {problem}")
        )
        if not job.status.is_terminal:
            found.sentences.append("What jobs bring and keep waits until it can.")


def _cancelled(found: Explanation, job: JobDetail) -> None:
    if job.reason is not None and job.reason.value == "dependency":
        found.sentences.append(sentence(job.error))
        if needed := _NEEDED.match(job.error):
            found.commands.append(f"kotta why {needed[1]}")
    elif job.error:
        found.sentences.append(sentence(job.error))
    elif job.started_at is None:
        found.sentences.append("It was cancelled before its command started.")
    else:
        found.sentences.append("It was cancelled while it ran.")
    found.commands.append(f"kotta rerun {job.id[:8]}")
