"""How each state looks: a sign, a colour, and always its word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kotta.models import JobState
from kotta_cli.render.times import duration

if TYPE_CHECKING:
    from kotta.models import Job

SIGNS = {
    JobState.UNSUBMITTED: "◌",
    JobState.PENDING: "○",
    JobState.STAGING_INPUTS: "◐",
    JobState.PROCESSING: "●",
    JobState.STAGING_OUTPUTS: "◐",
    JobState.COMPLETED: "✓",
    JobState.FAILED: "✗",
    JobState.CANCELLED: "■",
}
COLORS = {
    JobState.UNSUBMITTED: "bright_black",
    JobState.PENDING: "yellow",
    JobState.STAGING_INPUTS: "cyan",
    JobState.PROCESSING: "blue",
    JobState.STAGING_OUTPUTS: "cyan",
    JobState.COMPLETED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "magenta",
}

_CODES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34",
    "magenta": "35", "cyan": "36", "bright_black": "90",
}  # fmt: skip

_REASONS = {
    "walltime": "it ran longer than its walltime",
    "memory": "it used more memory than it may",
    "limit": "it had more processes, or made larger outputs, than it may",
    "lost": "what ran it is gone",
    "staging": "it could not be made ready to run, or its outputs could not be kept",
    "dependency": "a job that it was to come after did not complete",
    "user": "it was cancelled",
}


def paint(text: str, style: str, color: bool) -> str:
    """`text` in a style of this module, or as it is where there is no colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if color else text


def status_word(state: JobState) -> str:
    """The sign and the word of a state."""
    return f"{SIGNS[state]} {state.value}"


def ending(job: Job) -> str:
    """How a job ended, in a few words, such as `failed: exit code 3 after 2.31 s`."""
    words = job.status.value
    if job.status is JobState.FAILED:
        words += f": {failure(job)}"
    seconds = run_seconds(job)
    return words if seconds is None else f"{words} after {duration(seconds)}"


def failure(job: Job) -> str:
    """Why a failed job failed, in a few words."""
    if job.reason is not None and job.reason.value in _REASONS:
        return _REASONS[job.reason.value]
    if job.signal is not None:
        return f"ended by signal {signal_name(job.signal)}"
    if job.exit_code is not None:
        return f"exit code {job.exit_code}"
    return "it does not say why"


def meaning(job: Job) -> str:
    """One sentence on the state it is in, and for one that did not complete on why."""
    reason = "" if job.reason is None else job.reason.value
    if job.status is JobState.CANCELLED and reason == "user":
        return "It was cancelled, and nothing of it is left running."
    if job.status in (JobState.FAILED, JobState.CANCELLED) and reason in _REASONS:
        words = _REASONS[reason]
        return words[:1].upper() + words[1:] + "."
    if job.status is JobState.FAILED:
        return f"Its command failed: {failure(job)}."
    if job.status is JobState.PENDING and job.waits_for:
        return "It waits for what it comes after to complete."
    return job.status.meaning


def signal_name(number: int) -> str:
    """Such as `9 (SIGKILL)`."""
    import signal

    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def run_seconds(job: Job) -> float | None:
    """Seconds from the start of its command to the job's end, None where either is missing."""
    if job.started_at is None or job.ended_at is None:
        return None
    return max((job.ended_at - job.started_at).total_seconds(), 0.0)
