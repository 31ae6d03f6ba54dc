"""How an attempt ends, as its exit record says it."""

from __future__ import annotations

import signal

from kotta_runner import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional


class Outcome:
    """How the command, or what came before it, ended: what the exit record says of it."""

    def __init__(
        self,
        status: str,
        reason: str,
        exit_code: Optional[int] = None,
        signal: Optional[int] = None,
        error: str = "",
    ) -> None:
        self.status = status
        self.reason = reason
        self.exit_code = exit_code
        self.signal = signal
        self.error = error

    def saying(self, error: str) -> Outcome:
        """The same, with other words."""
        return Outcome(self.status, self.reason, self.exit_code, self.signal, error)


CANCELLED = Outcome("cancelled", "user")
NO_VALUE = Outcome(
    "failed",
    "exit",
    exit_code=0,
    error="its function left no value: its process ended before the function returned, or what it "
    "had left could not be kept",
)
TAKEN_BACK = Outcome("failed", "cluster", error="the cluster ended it")
STOPS = {"cancel": CANCELLED, "cluster": TAKEN_BACK}
"""What comes of it where it is stopped from outside, by the word for that."""


def over_limit(outcome: Outcome, words: str) -> Outcome:
    """What becomes of it as not all outputs are kept: a success no more, and it says so."""
    if outcome.status == "completed":
        return Outcome("failed", "limit", error=words)
    return outcome.saying("; ".join(filter(None, (outcome.error, words))))


def of_command(status: int) -> Outcome:
    """That of a command which ended by itself, with an exit code or the negative of a signal."""
    if status == 0:
        return Outcome("completed", "exit", exit_code=0)
    if status > 0:
        return Outcome("failed", "exit", exit_code=status)
    name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
    return Outcome("failed", "exit", signal=-status, error="its command was ended by %s" % name)
