"""Places runners and tells what became of them; what a job is, an executor does not know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol


class Key(NamedTuple):
    """One attempt of one job: what a launch is known by, in every engine."""

    job_id: str
    attempt: int


class Sight(Enum):
    """What can be seen of an attempt."""

    WAITING = "waiting"
    """Handed over, not yet begun; it will begin."""
    ABSENT = "absent"
    """Nothing of it is there and its command never started: it may be handed over (again)."""
    RUNNING = "running"
    """A runner is at work."""
    ENDED = "ended"
    """It left an exit record."""
    LOST = "lost"
    """Its command was started, nobody is at work, and there is no record."""


@dataclass(frozen=True)
class Sighting:
    """What was seen of an attempt, and its exit record or latest phase where there is one."""

    sight: Sight
    record: dict[str, Any] | None = None
    phase: dict[str, Any] | None = None


class Executor(Protocol):
    """A way to place runners. It is asked, never believed: the exit record says how a job ended."""

    def submit(self, launch: dict[str, Any]) -> None:
        """Hands a launch over; success guarantees nothing. Handed over twice, it starts once."""

    def poll(self, keys: Iterable[Key]) -> dict[Key, Sighting]:
        """What can be seen of these attempts; a key that is left out says nothing."""

    def cancel(self, key: Key) -> bool:
        """Asks for the end of an attempt. True: nothing of it runs, and nothing ever will."""

    def end_leftovers(self, key: Key) -> None:
        """Ends what a lost attempt left running; returns when nothing is left."""
