"""How an attempt ends, as its exit record says it."""

from __future__ import annotations

import signal
from typing import NamedTuple, Optional


class Outcome(NamedTuple):
    """How the command, or what came before it, ended."""

    status: str
    reason: str
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    error: str = ""


CANCELLED = Outcome("cancelled", "user")
TAKEN_BACK = Outcome("failed", "cluster", error="the cluster ended it")


def over_limit(outcome: Outcome, words: str) -> Outcome:
    """What becomes of it as not all outputs are kept: a success no more, and it says so."""
    if outcome.status == "completed":
        return Outcome("failed", "limit", error=words)
    return outcome._replace(error="; ".join(filter(None, (outcome.error, words))))


def of_command(status: int) -> Outcome:
    """That of a command which ended by itself, with an exit code or the negative of a signal."""
    if status == 0:
        return Outcome("completed", "exit", exit_code=0)
    if status > 0:
        return Outcome("failed", "exit", exit_code=status)
    name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
    return Outcome("failed", "exit", signal=-status, error="its command was ended by %s" % name)
