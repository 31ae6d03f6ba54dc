"""Places runners and tells what became of them; what a job is, an executor does not know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from kotta.models import JobDescription

PAUSE_SHARE = 120
"""What is looked at again and again rests for so many times as long as the time of a core that a
look took: each such look costs half a second in a minute at most, however much there is to see."""
LONGEST_PAUSE_SECONDS = 60.0
"""But no longer than that."""


class Key(NamedTuple):
    """One attempt of one job: what a launch is known by, in every engine."""

    job_id: str
    attempt: int


class Begun(NamedTuple):
    """An attempt that was held, and began in another's place.

    Attributes:
        at: when, seconds since 1970 (UTC).
    """

    job_id: str
    attempt: int
    at: float

    @property
    def key(self) -> Key:
        return Key(self.job_id, self.attempt)


class OnPhase(Protocol):
    """Told, from a thread, of the timeline of an attempt that entered a phase."""

    def __call__(
        self, key: Key, timeline: dict[str, float], begun: Begun | None = None, /
    ) -> None: ...


class OnExit(Protocol):
    """Told, from a thread, of an attempt whose runner has left, and of its exit record, if any."""

    def __call__(
        self, key: Key, record: dict[str, Any] | None, begun: Begun | None = None, /
    ) -> None: ...


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
    """Nobody is at work, nobody will be, and there is no record of how the command ended."""


@dataclass(frozen=True)
class Verdict:
    """What an engine knows of an end of which the runner could not tell.

    Attributes:
        status: `failed` or `cancelled`.
        reason: as `kotta.models.Reason` has it.
        words: what happened.
    """

    status: Literal["failed", "cancelled"]
    reason: str
    words: str


@dataclass(frozen=True)
class Sighting:
    """What was seen of an attempt, and its exit record or latest phase where there is one.

    Attributes:
        held: the directory of an attempt that is an account's: the record is that account's word,
            and outputs are to be taken over from there.
        verdict: of what is lost, how it ended; None: it may be tried again.
        words: of what is lost without a verdict, what is known; "" if nothing is.
    """

    sight: Sight
    record: dict[str, Any] | None = None
    phase: dict[str, Any] | None = None
    verdict: Verdict | None = None
    words: str = ""
    held: Path | None = None


@dataclass(frozen=True)
class QueueSize:
    """How large and how full an engine's own queue is, other users' jobs included.

    Attributes:
        max_walltime_minutes: longest walltime it takes, None for any.
    """

    cpus: int
    cpus_used: int
    memory_mib: int
    memory_used_mib: int
    max_walltime_minutes: int | None = None


@dataclass(frozen=True)
class Wait:
    """What an engine says of a job that waits in its queue.

    Attributes:
        native_id: what the engine calls it.
        reason: the engine's own word for why it waits, "" for none.
        words: the same for people.
        starts_at: when the engine expects it to start, None if it does not say.
    """

    native_id: str
    reason: str
    words: str
    starts_at: datetime | None = None


class Executor(Protocol):
    """A way to place runners. It is asked, never believed: the exit record says how a job ended.

    Attributes:
        name: of the engine, as `[queues.NAME] executor` has it.
    """

    name: str

    @property
    def round_seconds(self) -> float:
        """How long after a look at all attempts the next one is worth its while."""

    def start(self) -> None:
        """Gets ready; called once, before anything else."""

    def stop(self) -> None:
        """Lets go of everything; what it placed runs on."""

    def directory(self, key: Key) -> Path:
        """Where an attempt's directory is, or would be."""

    def submit(self, launch: dict[str, Any]) -> None:
        """Hands a launch over; success guarantees nothing. Handed over twice, it starts once."""

    def poll(self, keys: Iterable[Key]) -> dict[Key, Sighting]:
        """What can be seen of these attempts, which are all that it has; in one go, cheaply.

        A key that is left out says nothing.
        """

    def look(self, key: Key) -> Sighting | None:
        """What can be seen of one of them; None: nothing."""

    def cancel(self, key: Key) -> bool:
        """Asks for the end of an attempt. True: nothing of it runs, and nothing ever will."""

    def end_leftovers(self, key: Key) -> None:
        """Ends what a lost attempt left running; returns when nothing is left."""

    def problems(self, queue: str, description: JobDescription) -> list[tuple[str, str]]:
        """What of a description the engine would take and never start: field and words."""

    def room(self, queue: str, waiting: int) -> int:
        """How many jobs more may wait in the engine's queue, where so many do."""

    def size(self, queue: str) -> QueueSize | None:
        """How large and how full a queue is; None: that is the service's to know."""

    def wait_of(self, key: Key) -> Wait | None:
        """Why an attempt waits in the engine's queue; None if it does not, or cannot be told."""
